"""SimKD (Chen et al., CVPR 2022): a small visual encoder for the heads of a large one."""
