"""The procedural world: clips with captions, depth, masks and true edits."""
