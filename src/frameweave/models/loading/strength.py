"""`NAME@STRENGTH:FROM-TO`: how strongly something acts, and in which share of the steps."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from frameweave.errors import InputError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_SUFFIX = re.compile(rf"(?:@(?P<strength>{_NUMBER}))?(?::(?P<start>{_NUMBER})-(?P<end>{_NUMBER}))?")
_LIKE_ONE = re.compile(r"@[\s\d.,:;+-]*$|:[\s\d.,+-]+$")
"""The end of a text that cannot be meant as a part of a name."""
_TODO = "write it as NAME, NAME@0.8 or NAME@0.8:0-0.6"


@dataclass(frozen=True)
class Weighted:
    """A name with its strength, and the share of the sampler's steps in which it acts."""

    name: str
    strength: float = 1.0
    start: float = 0.0
    """The share of the steps after which it begins; 0 is the noisiest step."""
    end: float = 1.0
    """The share of the steps after which it ends."""

    @classmethod
    def parse(cls, text: str, *, of: str = "the steps") -> "Weighted":
        """Read `NAME`, `NAME@0.8`, `NAME:0-0.6` or `NAME@0.8:0-0.6`; errors say what it is a share `of`.

        Raises `InputError` when there is no name, and for a strength or share that makes no sense.

        >>> Weighted.parse("styles/ink@2.safetensors@0.8:0-.6")
        Weighted(name='styles/ink@2.safetensors', strength=0.8, start=0.0, end=0.6)
        """
        like_one = _LIKE_ONE.search(text)
        suffix = text[like_one.start() :] if like_one else ""
        name = text[: len(text) - len(suffix)]
        found = _SUFFIX.fullmatch(suffix)
        if found is None:
            raise InputError(f"{text!r}: {suffix!r} is no strength and no share of {of}", hint=_TODO)
        if not name.strip():
            raise InputError(f"{text!r}: no name before the strength", hint=_TODO)
        strength, start, end = (found[part] for part in ("strength", "start", "end"))
        made = cls(name, float(strength or 1), float(start or 0), float(end or 1))
        if not 0 <= made.start < made.end <= 1:
            raise InputError(
                f"{text!r}: from {made.start:g} to {made.end:g} of {of}, expected shares from 0 to 1",
                hint=f"write the earlier one first, such as :0-0.6 for the first 60 % of {of}",
            )
        return made

    def steps(self, count: int) -> range:
        """The steps in which it acts of so many, the first and noisiest of which is 0.

        A step counts when it lies wholly in the share.

        >>> Weighted("x", start=0.25, end=0.9).steps(8)
        range(2, 7)
        """
        inside = [i for i in range(count) if i / count >= self.start and (i + 1) / count <= self.end]
        return range(inside[0], inside[-1] + 1) if inside else range(0)

    def acts_at(self, t: float, T: int) -> bool:
        """Whether it acts at a timestep, where its share is one of all T timesteps, the noisiest first.

        Of two shares that meet, the earlier one has the timestep on their border, so none acts there twice.

        >>> Weighted("x", end=0.3).acts_at(700, 1000), Weighted("x", start=0.3).acts_at(700, 1000)
        (True, False)
        """
        low, high = (
            round((1 - share) * T, 6) for share in (self.end, self.start)
        )  # (1 - 0.7) T is above 300
        return (self.end == 1 or low <= t) and (self.start == 0 or t < high)

    def told(self, what: str, acting: Sequence[bool]) -> str:
        """In words, in how many steps it acts; empty for what has no share of them.

        >>> Weighted("x", end=0.5).told("the LoRA x", [True, False])
        'the LoRA x acts in 1 of 2 steps'
        """
        if (self.start, self.end) == (0, 1):
            return ""
        warning = "" if any(acting) else "; WARNING: take more steps or a longer share"
        return f"{what} acts in {sum(acting)} of {len(acting)} steps{warning}"

    def window(self, timesteps: Sequence[float]) -> tuple[float, float]:
        """The timesteps in which it acts in a run over these, noisiest first: above one, up to another.

        >>> Weighted("x", start=0.5).window([900, 600, 300, 0])
        (-inf, 450.0)
        """
        acting = self.steps(len(timesteps))
        if not acting:
            return math.inf, -math.inf
        borders = [math.inf, *((a + b) / 2 for a, b in pairwise(timesteps)), -math.inf]
        return borders[acting.stop], borders[acting.start]
