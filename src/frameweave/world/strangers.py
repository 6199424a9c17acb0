"""Strangers: clips of objects, places and camera looks that no part of the Miniature was trained on.

Their captions have the same grammar. What they show has another place, motion and camera in every clip, as at
home; train, validation and test clips show other combinations of object, colour, place and look.
"""

import dataclasses
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from frameweave.world.scene import ATTRIBUTES, WORDS, Scenes, scenes_of

StrangerSplit = Literal["train", "validation", "test"]
STRANGER_EDITS = {name: WORDS[name] for name in ("colour", "background", "style")}
"""What is asked of their edits: the object stays."""
_HELD_OUT = 0.1
"""The share of all combinations that validation has, and test."""
_ORDER = 2025


def stranger_combinations(split: StrangerSplit) -> Int[Tensor, "K 4"]:
    """All (noun, colour, background, style) index tuples of a split: strange nouns, all other words."""
    first = len(ATTRIBUTES["noun"])
    sizes = [len(words) for words in WORDS.values()]
    sizes[0] -= first
    every = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), axis=1)
    every[:, 0] += first
    order = np.random.Generator(np.random.Philox(key=_ORDER)).permutation(len(every))
    share = round(_HELD_OUT * len(every))
    parts = {"test": order[:share], "validation": order[share : 2 * share], "train": order[2 * share :]}
    return torch.from_numpy(every[np.sort(parts[split])])


def stranger_scenes(n: int, *, seed: int | tuple[int, ...], split: StrangerSplit = "train") -> Scenes:
    """Draw `n` scenes of strangers; a pure function of its arguments."""
    return scenes_of(stranger_combinations(split), n, seed=seed)


def alternating(home: Scenes, strange: Scenes) -> Scenes:
    """Every other scene of each, as many in all as either has."""
    odd = torch.arange(len(home)) % 2 == 1
    chosen = {
        field.name: torch.where(
            odd if (own := getattr(home, field.name)).ndim == 1 else odd[:, None],
            getattr(strange, field.name),
            own,
        )
        for field in dataclasses.fields(home)
    }
    return Scenes(**chosen)
