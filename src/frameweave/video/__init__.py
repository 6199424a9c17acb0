"""Video files on PyAV: streaming reading and writing, single frames by seeking. Without torch."""

from frameweave.video.colours import Colours, Picture
from frameweave.video.reading import VideoInfo, probe, read_frames, resampled
from frameweave.video.seeking import frames_at
from frameweave.video.sequences import TimedPicture
from frameweave.video.timeline import Timeline, timeline
from frameweave.video.writing import VideoWriter, tells_pixel_shape

__all__ = [
    "Colours",
    "Picture",
    "TimedPicture",
    "Timeline",
    "VideoInfo",
    "VideoWriter",
    "frames_at",
    "probe",
    "read_frames",
    "resampled",
    "tells_pixel_shape",
    "timeline",
]
