"""What the Miniature's clips show: attributes, motions, the train / held-out split, the true edit.

A scene is four attributes (noun, colour, background, style) and a motion. Many scenes are kept
as one struct of arrays (`Scenes`), so that sampling and rendering are vectorised.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from frameweave.errors import InputError
from frameweave.world.words import (
    COLOURS,
    MOVING,
    NOUNS,
    PLACES,
    STRANGE_LOOKS,
    STRANGE_NOUNS,
    STRANGE_PLACES,
    STYLED,
)

MOTIONS = tuple(MOVING)
CAMERAS = ("still", "left", "right")

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "noun": NOUNS,
    "colour": COLOURS,
    "background": tuple(PLACES),
    "style": tuple(STYLED),
}
"""The home words: of all that the Miniature was trained on."""
WORDS: dict[str, tuple[str, ...]] = {
    "noun": (*NOUNS, *STRANGE_NOUNS),
    "colour": COLOURS,
    "background": (*PLACES, *STRANGE_PLACES),
    "style": (*STYLED, *STRANGE_LOOKS),
}
"""All words that can be drawn, with the home ones first: a word's index is the same in both."""

PIXELS = 64
SIZE_RANGE = (28.0, 46.0)  # of the object's square, in pixels
HELD_OUT_SHARE = 0.1

Split = Literal["train", "held-out", "all"]


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """N scenes. Lengths are in pixels, speeds in pixels per frame, angles in radians."""

    noun: Int[Tensor, " N"]
    colour: Int[Tensor, " N"]
    background: Int[Tensor, " N"]
    style: Int[Tensor, " N"]
    motion: Int[Tensor, " N"]
    camera: Int[Tensor, " N"]
    start: Float[Tensor, "N 2"]
    velocity: Float[Tensor, "N 2"]
    size: Float[Tensor, " N"]
    size_rate: Float[Tensor, " N"]
    angle: Float[Tensor, " N"]
    swing: Float[Tensor, " N"]
    texture_offset: Float[Tensor, "N 2"]
    pan: Float[Tensor, " N"]
    light: Float[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.noun)

    def __getitem__(self, index: "int | slice | Int[Tensor, ' M'] | Bool[Tensor, ' N']") -> "Scenes":
        chosen = slice(index, index + 1) if isinstance(index, int) else index
        return Scenes(**{f.name: getattr(self, f.name)[chosen] for f in dataclasses.fields(self)})

    def attributes(self) -> dict[str, Int[Tensor, " N"]]:
        """The four edited attributes as class indices into `WORDS`."""
        return {name: getattr(self, name) for name in ATTRIBUTES}

    def words(self, index: int) -> dict[str, str]:
        """The four attributes of one scene in words."""
        return {name: WORDS[name][int(getattr(self, name)[index])] for name in WORDS}

    def edited(self, **words: str) -> "Scenes":
        """The true edit: the same motion, place and texture phase with other attributes.

        >>> sample_scenes(2, seed=0).edited(colour="blue").words(1)["colour"]
        'blue'
        """
        changed: dict[str, Tensor] = {}
        for name, word in words.items():
            if word not in WORDS.get(name, ()):
                raise InputError(
                    f"the world has no {name} {word!r}",
                    hint=f"choose from {', '.join(WORDS.get(name, tuple(WORDS)))}",
                )
            changed[name] = torch.full_like(self.noun, WORDS[name].index(word))
        return dataclasses.replace(self, **changed)

    def with_attributes(self, **indices: Int[Tensor, " N"]) -> "Scenes":
        """Like `edited`, with one class index per scene."""
        return dataclasses.replace(self, **indices)


def combinations(split: Split) -> Int[Tensor, "K 4"]:
    """All (noun, colour, background, style) index tuples of a split; every tenth is held out."""
    sizes = [len(words) for words in ATTRIBUTES.values()]
    every = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), axis=1)
    order = np.random.Generator(np.random.Philox(key=2024)).permutation(len(every))
    held_out = round(HELD_OUT_SHARE * len(every))
    chosen = {"held-out": order[:held_out], "train": order[held_out:], "all": order}[split]
    return torch.from_numpy(every[np.sort(chosen)])


def sample_scenes(n: int, *, seed: int | tuple[int, ...], split: Split = "train") -> Scenes:
    """Draw `n` scenes; a pure function of its arguments.

    `seed` may be a tuple, e.g. (seed, step), so that each training step has its own draw.
    """
    return scenes_of(combinations(split), n, seed=seed)


def scenes_of(choices: Int[Tensor, "K 4"], n: int, *, seed: int | tuple[int, ...]) -> Scenes:
    """Draw `n` scenes with attributes out of `choices`, rows of indices into `WORDS`."""
    rng = np.random.default_rng(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (n, *shape)).astype("float32"))

    attributes = choices[torch.from_numpy(rng.integers(len(choices), size=n))]
    motion = torch.from_numpy(rng.integers(len(MOTIONS), size=n))
    camera = torch.from_numpy(rng.integers(len(CAMERAS), size=n))
    speed = uniform(0.6, 1.6)
    direction = torch.tensor(
        [[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1], [0, 0], [0, 0], [0, 0]], dtype=torch.float32
    )
    grows = torch.tensor([0, 0, 0, 0, 0, 1, -1, 0], dtype=torch.float32)
    is_swaying = (motion == MOTIONS.index("swaying")).float()
    return Scenes(
        **dict(zip(ATTRIBUTES, attributes.T, strict=True)),
        motion=motion,
        camera=camera,
        start=uniform(0, 1, 2),
        velocity=direction[motion] * speed[:, None],
        size=uniform(*SIZE_RANGE),
        size_rate=grows[motion] * speed / 1.6,
        angle=uniform(-0.12, 0.12),
        swing=is_swaying * uniform(0.15, 0.35),
        texture_offset=uniform(0, 128, 2),
        pan=torch.tensor([0.0, -1.0, 1.0])[camera] * uniform(0.5, 1.5),
        light=uniform(0.94, 1.04),
    )


@dataclass(frozen=True)
class Pose:
    """Where the object is: centre in pixels (x, y), side of its square, angle; texture shift."""

    centre: Float[Tensor, "N 2"]
    size: Float[Tensor, " N"]
    angle: Float[Tensor, " N"]
    texture: Float[Tensor, "N 2"]


def edits_in_turn(
    words: dict[str, str],
    number: int,
    changes: int = 1,
    *,
    among: Mapping[str, tuple[str, ...]] = ATTRIBUTES,
) -> dict[str, str]:
    """Which attributes the edit of that number changes, and to which words out of `among`.

    The kinds of attributes, or groups of as many as are changed at once, take turns, and so do the other
    words of each kind.

    >>> edits_in_turn({"noun": "star", "colour": "red", "background": "sky", "style": "plain"}, 1)
    {'colour': 'orange'}
    """
    groups = list(itertools.combinations(among, changes))
    turn, which = divmod(number, len(groups))
    others = {name: [word for word in among[name] if word != words[name]] for name in groups[which]}
    return {name: choice[turn % len(choice)] for name, choice in others.items()}


def fold(x: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Reflect x into [low, high], as a ball between two walls: motion of any length stays inside."""
    span = high - low
    return low + (span - ((x - low) % (2 * span) - span).abs())


def pose(scenes: Scenes, t: Float[Tensor, " N"]) -> Pose:
    """The object's pose at time t (in frames), for each scene."""
    low, high = SIZE_RANGE
    size = fold(scenes.size + scenes.size_rate * t, low, high)
    largest = torch.where(scenes.size_rate == 0, scenes.size, torch.full_like(size, high))
    edge = (largest / 2 - 1)[:, None]
    centre = fold(
        edge + scenes.start * (PIXELS - 2 * edge) + scenes.velocity * t[:, None], edge, PIXELS - edge
    )
    shift = torch.stack([scenes.pan * t, torch.zeros_like(t)], dim=1)
    return Pose(
        centre,
        size,
        scenes.angle + scenes.swing * torch.sin(0.45 * t),
        scenes.texture_offset + shift,
    )
