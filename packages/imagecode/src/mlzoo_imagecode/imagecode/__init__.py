"""ImageCoDe's published descriptions with their image sets, and the variant with two images."""
