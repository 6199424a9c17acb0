"""Pictures and videos as browsers show them, made once and kept beside the runs."""

from pathlib import Path


class Shown:
    """Makes what browsers can show of videos; results of runs and uploads alike."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds what was made."""
        ...

    def poster(self, video: Path) -> Path:
        """A small JPEG of the middle frame, with the longer side of at most 320 pixels."""
        ...

    def frame(self, video: Path, seconds: float) -> Path:
        """A JPEG of the frame that is shown at a time, with the longer side of at most 640 pixels."""
        ...

    def playable(self, video: Path) -> Path:
        """The video itself where browsers play it (H.264 4:2:0 in mp4, VP9 in webm), else such a copy."""
        ...
