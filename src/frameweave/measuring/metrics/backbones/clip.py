"""A CLIP model of any size, from a folder or a hub id; ViT-B/32 is the published tables' one."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from frameweave.measuring.metrics.base import Frames
from frameweave.models.identity import fingerprint
from frameweave.models.loading.hub import resolved
from frameweave.models.loading.places import located
from frameweave.models.loading.weights import network
from frameweave.models.text.tokenizer import clip_tokenizer, unseen
from frameweave.models.vision import OPENAI

_BATCH = 32


@dataclass(frozen=True, eq=False)
class ClipTowers(ABC):
    """Towers with their tokenizer: pictures and words in one space, each model prepared in its own way."""

    model: CLIPModel
    tokenizer: CLIPTokenizer
    id: str

    @torch.no_grad()
    def pictures(self, frames: Frames) -> Float[Tensor, "F D"]:
        return F.normalize(self.model.visual_projection(self.pooled(frames)).float(), dim=1)

    @torch.no_grad()
    def words(self, text: str) -> Float[Tensor, " D"]:
        return F.normalize(self.model.text_projection(self.read(text)).float(), dim=1)[0]

    @abstractmethod
    def pooled(self, frames: Frames) -> Float[Tensor, "F D"]:
        """What the vision tower says of each frame, before it is brought into the space of words."""

    @abstractmethod
    def read(self, text: str) -> Float[Tensor, "1 D"]:
        """What the text tower says of a text, likewise."""

    def unseen(self, text: str) -> str:
        return unseen(self.tokenizer, text)


class HubClip(ClipTowers):
    """A model from a folder or a hub. Prompts are cut at its number of tokens, as everywhere."""

    @torch.no_grad()
    def pooled(self, frames: Frames) -> Float[Tensor, "F D"]:
        parts = [self.prepared(part) for part in frames.split(_BATCH)]
        return torch.cat([self.model.vision_model(part).pooler_output for part in parts])

    def read(self, text: str) -> Float[Tensor, "1 D"]:
        length = self.model.text_model.embeddings.position_embedding.num_embeddings
        given = self.tokenizer(
            [text], padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        return self.model.text_model(
            input_ids=given.input_ids, attention_mask=given.attention_mask
        ).pooler_output

    @property
    def scale(self) -> float:
        """By which its training multiplied cosines."""
        return float(self.model.logit_scale.detach().exp())

    def prepared(self, frames: Frames) -> Float[Tensor, "F 3 side side"]:
        """Short side resized (bicubic, antialiased), centre cut out, normalised: CLIP's own preparation."""
        side = int(self.model.vision_model.embeddings.image_size)  # pyright: ignore[reportArgumentType]
        height, width = frames.shape[2:]
        scale = side / min(height, width)
        size = (max(side, int(height * scale)), max(side, int(width * scale)))
        resized = F.interpolate(frames, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        top, left = (size[0] - side) // 2, (size[1] - side) // 2
        cut = resized[:, :, top : top + side, left : left + side]
        mean, std = (torch.tensor(row).view(1, 3, 1, 1).to(frames) for row in OPENAI)
        return (cut - mean) / std


@cache
def hub_clip(name: str, flag: str = "--clip-model", usual: str = "openai/clip-vit-base-patch32") -> HubClip:
    """From a folder or a hub id. Raises `ModelFolderError` when it cannot be had.

    `flag` named it, `usual` is what is named there otherwise: an error says both.
    """
    source, _ = located(resolved(name))
    todo = f"name a folder that holds {usual} with {flag}"
    model = network(CLIPModel.from_pretrained, source, failing="no CLIP model to be had", hint=todo)
    tokenizer = clip_tokenizer(source, "", model.text_model.config, cut=True)
    return HubClip(model.float().eval(), tokenizer, f"{Path(name).name}-{fingerprint(model)[:6]}")
