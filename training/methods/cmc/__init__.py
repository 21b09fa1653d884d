"""CMC, contrastive multiview coding: Tian, Krishnan and Isola, ECCV 2020."""
