"""Scoring a localiser on clips with boxes: features once, then every figure and every control from them."""
