"""Clips and video files: streaming reading and writing on PyAV, and `Clip`, frames in memory."""

from frameweave.clip.reading import Picture, TimedPicture, VideoInfo, probe, read_frames, resampled
from frameweave.clip.value import Clip, resized_frames, working_size
from frameweave.clip.writing import VideoWriter

__all__ = [
    "Clip",
    "Picture",
    "TimedPicture",
    "VideoInfo",
    "VideoWriter",
    "probe",
    "read_frames",
    "resampled",
    "resized_frames",
    "working_size",
]
