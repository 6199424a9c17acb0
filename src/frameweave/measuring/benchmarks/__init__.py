"""Edits that lie as a published benchmark wants them, measured and summed up as that benchmark does."""
