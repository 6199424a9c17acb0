"""`Clip`, frames in memory with their times, and `FrameGroup`, what adaptors train on."""

from frameweave.clip.value import Clip, resized_frames, working_size

__all__ = ["Clip", "resized_frames", "working_size"]
