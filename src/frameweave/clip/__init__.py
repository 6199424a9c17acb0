"""Clips and video files: streaming reading and writing on PyAV, and `Clip`, frames in memory."""

from frameweave.clip.reading import VideoInfo, probe, read_frames
from frameweave.clip.value import Clip, working_size
from frameweave.clip.writing import VideoWriter

__all__ = ["Clip", "VideoInfo", "VideoWriter", "probe", "read_frames", "working_size"]
