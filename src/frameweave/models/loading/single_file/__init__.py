"""Checkpoints in one file, in the layout of the original programs, as A1111 and ComfyUI take them."""
