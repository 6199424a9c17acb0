"""Edits side by side: every editor on one clip, the demo, and the page and sheets that show them."""
