"""Whatever holds weights: the backbone, the attention seam, depth."""
