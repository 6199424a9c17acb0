"""The Miniature's own networks as backbones of the metrics: its CLIP towers, and its judge.

The judge is trained apart from the CLIP towers and the diffusion model, on the world's frames.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPModel, CLIPTokenizer

from frameweave.measuring.metrics.backbones.clip import ClipTowers
from frameweave.measuring.metrics.base import Frames
from frameweave.miniature.judge import Judge, JudgePartName, judge_folder, packaged_judge
from frameweave.miniature.towers import tokenised
from frameweave.models.loading.choice import miniature_folder
from frameweave.models.loading.weights import network
from frameweave.runs.atomic import sha256
from frameweave.video.clip import resized_frames
from frameweave.world.scene import PIXELS

_LAYERS = 6  # modules of a stage of the judge's trunk
_MEANS, _MAXIMA = 0.58, 4.36  # root mean squares of the judge's pooled features on frames of the world


def _native(frames: Frames) -> Float[Tensor, "F 3 64 64"]:
    """Scaled to the 64 pixels that these networks know."""
    return resized_frames(frames, (PIXELS, PIXELS))


@dataclass(frozen=True, eq=False)
class JudgeTrunk:
    """The judge's stages for LPIPS, and its pooled last one for Fréchet distances."""

    judge: Judge
    id: str
    _last: list[tuple[Frames, list[Tensor]]] = field(default_factory=list[tuple[Frames, list[Tensor]]])
    """The frames that were looked at last, and their stages: all metrics ask for the same ones."""

    @property
    def width(self) -> int:
        return next(iter(self.judge.heads.values())).in_features  # pyright: ignore

    @property
    def weights(self) -> list[Float[Tensor, " _"]] | None:
        return None

    @torch.no_grad()
    def stages(self, frames: Frames) -> list[Float[Tensor, "F _ _ _"]]:
        if self._last and self._last[0][0] is frames:
            return self._last[0][1]
        maps, found = _native(frames) * 2 - 1, list[Tensor]()
        for number, layer in enumerate(self.judge.trunk):
            maps = layer(maps)
            if number % _LAYERS == _LAYERS - 1:
                found.append(maps)
        self._last[:] = [(frames, found)]
        return found

    @torch.no_grad()
    def features(self, frames: Frames) -> Float[Tensor, "F D"]:
        """The pooled last stage, means and maxima brought to one size, so that neither drowns the other."""
        means, maxima = self.judge.pooled(self.stages(frames)[-1]).chunk(2, dim=1)
        return torch.cat([means / _MEANS, maxima / _MAXIMA], dim=1)

    @torch.no_grad()
    def log_chances(self, frames: Frames) -> dict[str, Float[Tensor, "F classes"]]:
        """Log-probabilities of each attribute's words."""
        logits = self.judge.logits(self.judge.pooled(self.stages(frames)[-1]))
        return {name: row.log_softmax(1) for name, row in logits.items()}


class MiniatureClip(ClipTowers):
    """The packaged CLIP towers."""

    @torch.no_grad()
    def pooled(self, frames: Frames) -> Float[Tensor, "F D"]:
        return self.model.vision_model(_native(frames) * 2 - 1).pooler_output

    def read(self, text: str) -> Float[Tensor, "1 D"]:
        return self.model.text_model(tokenised(self.tokenizer, [text])).pooler_output


@cache
def judge_trunk(part: JudgePartName = "judge") -> JudgeTrunk:
    """A packaged judge."""
    return JudgeTrunk(
        packaged_judge(part),
        f"miniature-{part.replace('_', '-')}-{_print(judge_folder(part, miniature_folder()))}",
    )


@cache
def miniature_clip() -> MiniatureClip:
    """The packaged CLIP towers with the packaged tokenizer."""
    model = network(CLIPModel.from_pretrained, str(miniature_folder()), "clip")
    nn.Module.to(model, torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(miniature_folder(), subfolder="tokenizer")
    return MiniatureClip(model.eval(), tokenizer, f"miniature-clip-{_print(miniature_folder() / 'clip')}")


def _print(folder: Path) -> str:
    """Tells weights from others."""
    return sha256(folder / "model.safetensors")[:6]
