"""A run asked for again: by a name, from another folder, as words and as Python."""
