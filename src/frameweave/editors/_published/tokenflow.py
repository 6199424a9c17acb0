"""Where TokenFlow's published program does otherwise: each point as we do it, and as it does."""

from dataclasses import dataclass

from frameweave.errors import InputError


@dataclass(frozen=True)
class Neighbours:
    """The two key frames that a frame follows, by their place in the list of key frames."""

    near: int
    far: int | None
    """None when the frame follows one key frame only."""
    ratio: float = 1.0
    """Distance to the far one over the sum of both distances."""


def both_neighbours(frames: int, keys: list[int]) -> list[Neighbours]:
    """The nearest key frame and the nearest on the frame's other side, by their true distances.

    >>> both_neighbours(4, [1, 3])[2]
    Neighbours(near=0, far=1, ratio=0.5)
    >>> both_neighbours(4, [1, 3])[0], both_neighbours(4, [1, 3])[3]
    (Neighbours(near=0, far=None, ratio=1.0), Neighbours(near=1, far=None, ratio=1.0))
    """
    found: list[Neighbours] = []
    for frame in range(frames):
        before = max((k for k, key in enumerate(keys) if key <= frame), default=None)
        after = min((k for k, key in enumerate(keys) if key >= frame), default=None)
        sides = sorted({k for k in (before, after) if k is not None}, key=lambda k: abs(keys[k] - frame))
        if len(sides) == 1:
            found.append(Neighbours(sides[0], None))
            continue
        near, far = (abs(keys[k] - frame) for k in sides)
        found.append(Neighbours(sides[0], sides[1], far / (near + far)))
    return found


def published_neighbours(frames: int, interval: int) -> list[Neighbours]:
    """This run's key frame and the one before, as if both lay in the middle of their runs."""
    found: list[Neighbours] = []
    for frame in range(frames):
        run, at = divmod(frame, interval)
        near, far = abs(at - interval // 2), abs(at + interval - interval // 2)
        found.append(Neighbours(run, run - 1, far / (near + far)) if run else Neighbours(run, None))
    return found


class Rules:
    """As we do it."""

    on_trajectory = True
    """Whether plug-and-play starts from the source's inverted latents, or from single-step noise."""

    def check_start(self, start: float) -> None:
        """Raise `InputError` for a share of the steps that makes no sense."""
        if not 0 < start <= 1:
            raise InputError(
                f"start is {start}, expected more than 0 and at most 1",
                hint="leave it out for the default, 0.9",
            )

    def first_step(self, start: float, steps: int) -> int:
        """At which of the steps SDEdit starts."""
        return steps - max(1, round(start * steps))

    def edited(self, frames: int, interval: int) -> int:
        """How many frames are edited."""
        return frames

    def context_length(self, frames: int, length: int) -> int:
        """How many frames are edited together."""
        return length

    def neighbours(self, frames: int, keys: list[int], interval: int) -> list[Neighbours]:
        """Which key frames each frame follows."""
        return both_neighbours(frames, keys)


class Published(Rules):
    """As the published program does it."""

    on_trajectory = False

    def check_start(self, start: float) -> None:
        pass

    def first_step(self, start: float, steps: int) -> int:
        """A slip of precedence: one step short, except that hardly any means all."""
        return int(1 - start * steps)

    def edited(self, frames: int, interval: int) -> int:
        """Whole runs only."""
        if frames < interval:
            raise InputError(
                f"{frames} frames, as published at least {interval} are needed: those of one key frame",
                hint=f"give keyframe_interval={frames} or fewer, or leave as_published out",
            )
        return frames - frames % interval

    def context_length(self, frames: int, length: int) -> int:
        return frames

    def neighbours(self, frames: int, keys: list[int], interval: int) -> list[Neighbours]:
        return published_neighbours(frames, interval)


OURS, PUBLISHED = Rules(), Published()
