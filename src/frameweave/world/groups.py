"""Groups of adjacent frames from the procedural world, with exact depth and motion."""

from dataclasses import dataclass

import numpy as np
import torch

from frameweave.video.group import FrameGroup
from frameweave.world.grammar import captions
from frameweave.world.render import flow_between, render, still_visible
from frameweave.world.scene import Split, sample_scenes

_PARAPHRASES = 4
_LATEST = 16.0  # frames into a scene at which a group may begin
_WORLD = 1  # raise when the drawing changes: caches are keyed by it


@dataclass(frozen=True)
class WorldGroups:
    """`count` groups of `frames` frames, `stride` frames apart; group i is a function of (seed, i)."""

    count: int
    frames: int = 3
    stride: int = 1
    seed: int = 0
    split: Split = "train"

    def __len__(self) -> int:
        return self.count

    def key(self, index: int) -> str:
        return f"world {_WORLD} {self.split} {self.seed} {index} {self.frames} {self.stride}"

    def group(self, index: int) -> FrameGroup:
        scenes = sample_scenes(1, seed=(self.seed, index), split=self.split)
        start = np.random.default_rng((self.seed, index, 1)).uniform(0, _LATEST)
        t = torch.arange(self.frames, dtype=torch.float32) * self.stride + float(start)
        drawn = render(scenes[torch.zeros(self.frames, dtype=torch.long)], t)
        texts = [captions(scenes, (self.seed, index, 2 + k))[0] for k in range(_PARAPHRASES)]
        low, high = drawn.depth.amin(), drawn.depth.amax()
        depth = (drawn.depth - low) / (high - low)
        if self.frames == 1:
            return FrameGroup(drawn.frames, tuple(texts), depth)
        scene = scenes[torch.zeros(self.frames - 1, dtype=torch.long)]
        flow = flow_between(scene, t[:-1], t[1:], drawn.mask[:-1])
        seen = still_visible(flow, drawn.mask[:-1], drawn.mask[1:]).float()
        return FrameGroup(drawn.frames, tuple(texts), depth, torch.cat([flow, seen], dim=1))
