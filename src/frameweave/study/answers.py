"""What a rater answered, as it is kept, analysed and taken away."""

from dataclasses import dataclass

from frameweave.study.assignment import video_on
from frameweave.study.design import Kind


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One rater's answer about one pair by one criterion."""

    rater: int
    position: int
    """Which of the rater's trials it was."""
    pair: str
    kind: Kind
    left: int
    """Which of the pair's two videos was on the left."""
    criterion: str
    choice: str
    """The side: left, right or none."""
    at: float
    """Seconds since 1970."""
    milliseconds: int
    """How long the page was open."""
    loops: int
    """How often the videos were seen to their end."""

    @property
    def prefers(self) -> int | None:
        """Which of the pair's two videos; None for no preference."""
        return video_on(self.choice, self.left)
