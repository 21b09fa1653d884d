"""CMC on pictures, as published: lightness against colour. Tian, Krishnan and Isola, ECCV 2020."""
