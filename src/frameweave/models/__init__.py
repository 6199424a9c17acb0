"""Whatever holds weights: the model, the attention seam, depth."""
