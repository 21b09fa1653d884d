"""AVDet: a detector taught by which sound goes with which place (Afouras et al., CVPR 2022)."""
