"""Metric learning of pictures that is guided by the names of their classes. Roth et al., CVPR 2022."""
