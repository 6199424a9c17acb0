"""When frames are shown, where a container's own times can be trusted and where not."""

from dataclasses import dataclass
from fractions import Fraction

_GAP = Fraction(10)
"""Seconds after which a pause in a broadcast is a cut."""


@dataclass(eq=False)
class Clock:
    """Gives each frame in decoded order its time from the first, always later than the one before.

    Joined recordings start their clocks again, and some files have single wrong times: such a frame follows
    the one before at the usual distance, and those after it count on from there until their own times
    are later again.
    """

    usual: Fraction
    """Seconds between two frames."""
    broadcast: bool = False
    """Whether the format's clock may jump, so that a long pause is no pause."""
    repaired: int = 0
    """Frames that got another time than the file says."""
    _first: Fraction | None = None
    _last: Fraction | None = None
    _shift: Fraction = Fraction(0)

    @property
    def note(self) -> str:
        """What repairing is called."""
        return "times that go back or jump are mended: frames follow each other as they are stored"

    def at(self, told: Fraction | None) -> Fraction:
        """The time of the next frame; None where the file does not tell it."""
        after = Fraction(0) if self._last is None else self._last + self.usual
        if told is None:
            self._last = after
            return after
        if self._first is None:
            self._first = told - after
        own = told - self._first
        if self._follows(own):
            self._last, self._shift = own, Fraction(0)
            return own
        if not self._follows(own + self._shift):
            self._shift = after - own
        self.repaired += 1
        self._last = own + self._shift
        return self._last

    def _follows(self, time: Fraction) -> bool:
        if self._last is None:
            return True
        return time > self._last and not (self.broadcast and time > self._last + _GAP)
