"""How a stored picture lies: turned, mirrored, or both, as the file's display matrix says."""

import struct
from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """Steps from the stored picture to the shown one: rows and columns are swapped first, then reversed."""

    swapped: bool = False
    left_right: bool = False
    """Whether each row is reversed."""
    upside_down: bool = False
    """Whether the order of the rows is reversed."""

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """That of a frame; angles between right ones are rounded.

        The matrix takes the stored place (x, y) to (a x + c y, b x + d y).
        """
        if "DISPLAYMATRIX" not in frame.side_data:
            return UPRIGHT
        a, b, _, c, d = struct.unpack("=5i", bytes(frame.side_data["DISPLAYMATRIX"])[:20])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, left_right=a < 0, upside_down=d < 0)
        return cls(True, left_right=c < 0, upside_down=b < 0)

    def size(self, stored: tuple[int, int]) -> tuple[int, int]:
        """Width and height as shown; the same way back."""
        return (stored[1], stored[0]) if self.swapped else stored

    def shown(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture as it is shown."""
        turned = pixels.swapaxes(0, 1) if self.swapped else pixels
        return turned[:: -1 if self.upside_down else 1, :: -1 if self.left_right else 1]


UPRIGHT = Orientation()
