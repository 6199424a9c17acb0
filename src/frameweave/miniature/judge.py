"""The judge: a small CNN that names object, colour, background and style of a picture.

It is trained apart from the CLIP towers and the diffusion model, so that it can score both. A second one
knows strangers as well, see `world/strangers.py`, which nothing else in the Miniature does.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from frameweave.models.loading.choice import miniature_folder
from frameweave.models.stock import channels_last
from frameweave.world.render import render
from frameweave.world.scene import ATTRIBUTES, WORDS, Scenes, sample_scenes
from frameweave.world.strangers import alternating, stranger_scenes

BATCH = 64
HELD_OUT = 512
_SEED = 0
JudgePartName = Literal["judge", "stranger_judge"]
_CHANNELS = (32, 64, 96, 128)


class Judge(nn.Module):
    """Four convolution stages, mean pooling, one linear head per attribute, with a class for each word."""

    def __init__(self, words: Mapping[str, Sequence[str]] = ATTRIBUTES) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for before, after in zip((3, *_CHANNELS), _CHANNELS, strict=False):
            stages += [
                nn.Conv2d(before, after, 3, stride=2 if before > 3 else 1, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.Conv2d(after, after, 3, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.trunk = nn.Sequential(*stages)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(2 * _CHANNELS[-1], len(known)) for name, known in words.items()}
        )

    def forward(self, frames: Float[Tensor, "N 3 H W"]) -> dict[str, Float[Tensor, "N classes"]]:
        """Logits per attribute of frames in [0, 1]."""
        return self.logits(self.pooled(self.trunk(frames * 2 - 1)))

    @staticmethod
    def pooled(maps: Float[Tensor, "N C h w"]) -> Float[Tensor, "N features"]:
        """Mean and maximum of each of the trunk's last channels."""
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)

    def logits(self, pooled: Float[Tensor, "N features"]) -> dict[str, Float[Tensor, "N classes"]]:
        """One linear head for each attribute."""
        return {name: head(pooled).float() for name, head in self.heads.items()}

    @torch.no_grad()
    def name(self, frames: Float[Tensor, "N 3 H W"]) -> dict[str, Int[Tensor, " N"]]:
        """The most likely class of each attribute, as indices into `WORDS`."""
        logits = [self(batch) for batch in frames.split(256)]
        return {name: torch.cat([part[name] for part in logits]).argmax(-1) for name in ATTRIBUTES}


def new_judge(part: JudgePartName) -> Judge:
    """A judge without weights."""
    return Judge(WORDS if part == "stranger_judge" else ATTRIBUTES)


def judge_folder(part: JudgePartName, model: Path) -> Path:
    """Where a judge lies: the one of home words in the model's folder, the one of strangers beside it."""
    return model / part if part == "judge" else model.parent / part


def packaged_judge(part: JudgePartName = "judge") -> Judge:
    """A judge that ships with the Miniature, in float32: of home words, or of strangers' too."""
    judge = new_judge(part)
    weights = load_file(judge_folder(part, miniature_folder()) / "model.safetensors")
    judge.load_state_dict({key: value.float() for key, value in weights.items()})
    return judge.eval()


def _labelled(scenes: Scenes, seed: tuple[int, ...]) -> tuple[Tensor, dict[str, Tensor]]:
    t = np.random.default_rng((*seed, 1)).uniform(0, 16, len(scenes)).astype("float32")
    return render(scenes, torch.from_numpy(t)).frames, scenes.attributes()


class JudgePart:
    """Cross-entropy on all attributes, with blur and noise so that rough samples are judged fairly."""

    def __init__(self, part: JudgePartName = "judge") -> None:
        torch.manual_seed(_SEED)
        self.part = part
        self.module = channels_last(new_judge(part))
        self.held_out = self._frames(HELD_OUT, 10**9, held_out=True)

    def _frames(self, n: int, step: int, *, held_out: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Frames of scenes at home; for the judge of strangers every other one is of a stranger."""
        seed = (_SEED, step)
        home = sample_scenes(n, seed=seed, split="held-out" if held_out else "train")
        if self.part == "judge":
            return _labelled(home, seed)
        strange = stranger_scenes(n, seed=seed, split="validation" if held_out else "train")
        return _labelled(alternating(home, strange), seed)

    def loss(self, step: int) -> dict[str, Tensor]:
        frames, labels = self._frames(BATCH, step, held_out=False)
        generator = torch.Generator().manual_seed(step)
        blurred = F.avg_pool2d(F.pad(frames, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        share = torch.rand(BATCH, 1, 1, 1, generator=generator)
        noise = torch.randn(frames.shape, generator=generator)
        level = 0.08 * torch.rand(BATCH, 1, 1, 1, generator=generator)
        rough = share * frames + (1 - share) * blurred + level * noise
        logits = self.module(rough.contiguous(memory_format=torch.channels_last))
        return {name: F.cross_entropy(logits[name], labels[name]) for name in ATTRIBUTES}

    def watch(self) -> dict[str, float]:
        frames, labels = self.held_out
        named = self.module.name(frames)
        return {f"right_{name}": float((named[name] == labels[name]).float().mean()) for name in ATTRIBUTES}
