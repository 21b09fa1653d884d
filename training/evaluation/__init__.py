"""Scoring a localiser: examples are encoded once, then every figure and every control follows from them."""
