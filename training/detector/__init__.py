"""From a trained detector to a bundle that detects."""
