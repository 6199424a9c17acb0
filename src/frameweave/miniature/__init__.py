"""The Miniature: a procedural world of captioned clips, and the recipe that trains a model on it."""
