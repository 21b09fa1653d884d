"""SSPL, self-supervised predictive learning without negatives: Song et al., CVPR 2022."""
