"""What Earsight is measured against: the same localiser as one would serve it without Earsight."""
