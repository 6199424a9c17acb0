"""`Clip`: frames in memory with their times."""

from frameweave.clip.in_step import read_in_step
from frameweave.clip.value import Clip, resized_frames, working_size

__all__ = ["Clip", "read_in_step", "resized_frames", "working_size"]
