"""The Miniature's CLIP: a text tower whose states tell the words apart, and a vision tower.

A contrastive loss alone lets all nouns collapse to one state (captions of one batch are told
apart by colour and background), so each attribute must also be readable by a linear head: from
both pooled states, from the text states at every later position, and from captions that differ
in one attribute only.
"""

from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from frameweave.world.grammar import MAX_TOKENS, captions
from frameweave.world.render import render
from frameweave.world.scene import ATTRIBUTES, Scenes, Split, sample_scenes

BATCH = 96
HELD_OUT = 512
_SEED, _VISION_SEED = 0, 1
WIDTH = 128


def new_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """Random weights: three text layers, four vision layers, width 128, patches of 8 pixels."""
    common = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 4}
    text = common | {
        "vocab_size": len(tokenizer),
        "num_hidden_layers": 3,
        "max_position_embeddings": MAX_TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = common | {"num_hidden_layers": 4, "image_size": 64, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH))


def tokenised(tokenizer: CLIPTokenizer, texts: list[str]) -> Int[Tensor, "N L"]:
    """Token ids padded to the full length, as Stable Diffusion pads them."""
    return tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids


@dataclass(frozen=True)
class Pairs:
    """Scenes with one picture in [-1, 1] and one caption each."""

    scenes: Scenes
    pixels: Float[Tensor, "N 3 H W"]
    ids: Int[Tensor, "N L"]


def world_pairs(tokenizer: CLIPTokenizer, n: int, seed: tuple[int, ...], split: Split = "train") -> Pairs:
    """Random scenes at random times with complete captions; a pure function of its arguments."""
    scenes = sample_scenes(n, seed=seed, split=split)
    t = np.random.default_rng((*seed, 1)).uniform(0, 16, n).astype("float32")
    texts = captions(scenes, (*seed, 2), complete=True)
    return Pairs(scenes, render(scenes, torch.from_numpy(t)).frames * 2 - 1, tokenised(tokenizer, texts))


def one_attribute_changed(scenes: Scenes, name: str, rng: np.random.Generator) -> Scenes:
    """The same scenes with another class of one attribute."""
    count = len(ATTRIBUTES[name])
    step = torch.from_numpy(rng.integers(1, count, size=len(scenes)))
    return scenes.with_attributes(**{name: (getattr(scenes, name) + step) % count})


def attribute_heads(width: int) -> nn.ModuleDict:
    """One linear classifier per attribute."""
    return nn.ModuleDict({name: nn.Linear(width, len(words)) for name, words in ATTRIBUTES.items()})


class TowersPart:
    """Contrastive + hard negatives + attribute heads + token reconstruction."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        torch.manual_seed(_SEED)
        self.tokenizer = tokenizer
        self.clip = new_clip(tokenizer)
        self.clip.set_attn_implementation("eager")  # SDPA's backward is slow for short sequences
        self.image_heads, self.text_heads = attribute_heads(WIDTH), attribute_heads(WIDTH)
        self.word = nn.Linear(WIDTH, len(tokenizer))
        self.module = nn.ModuleDict(
            {
                "clip": self.clip,
                "image_heads": self.image_heads,
                "text_heads": self.text_heads,
                "word": self.word,
            }
        )
        nouns = tokenised(tokenizer, list(ATTRIBUTES["noun"]))[:, 1]
        self.noun_ids = nouns
        self.end = int(nouns.new_tensor(tokenizer.eos_token_id))
        self.held_out = world_pairs(tokenizer, HELD_OUT, (_SEED, 10**9), "held-out")

    def loss(self, step: int) -> dict[str, Tensor]:
        pairs = world_pairs(self.tokenizer, BATCH, (_SEED, step))
        rng = np.random.default_rng((_SEED, step, 3))
        changed = tuple(ATTRIBUTES)[:2] if step % 2 else tuple(ATTRIBUTES)[2:]
        wrong = [
            captions(one_attribute_changed(pairs.scenes, name, rng), (_SEED, step, 4), complete=True)
            for name in changed
        ]
        wrong_ids = tokenised(self.tokenizer, list(chain.from_iterable(wrong)))
        text = self.clip.text_model(torch.cat([pairs.ids, wrong_ids]))
        image = self.clip.vision_model(pairs.pixels)
        text_embeds = F.normalize(self.clip.text_projection(text.pooler_output).float(), dim=-1)
        image_embeds = F.normalize(self.clip.visual_projection(image.pooler_output).float(), dim=-1)
        scale = self.clip.logit_scale.clamp(max=4.6).exp()
        states = text.last_hidden_state[:BATCH]
        labels = pairs.scenes.attributes()
        return {
            "contrastive": _contrastive(scale, image_embeds, text_embeds[:BATCH], labels),
            "hard": _hard(scale, image_embeds, text_embeds.view(-1, BATCH, WIDTH)),
            "image": _head_loss(self.image_heads, image.pooler_output, labels),
            "text": self._readable(states, pairs.ids, labels),
            "word": F.cross_entropy(self.word(states).flatten(0, 1).float(), pairs.ids.flatten()),
        }

    def _readable(self, states: Tensor, ids: Tensor, labels: dict[str, Tensor]) -> Tensor:
        """All attributes from the end token on, noun and colour from the noun on."""
        is_noun = torch.isin(ids, self.noun_ids).int()
        after_noun = is_noun.cumsum(1) > 0
        at_end = ids.eq(self.end).cumsum(1) > 0
        terms: list[Tensor] = []
        for name, head in self.text_heads.items():
            where = after_noun if name in ("noun", "colour") else at_end
            wanted = labels[name][:, None].expand_as(ids)[where]
            terms.append(F.cross_entropy(head(states[where]).float(), wanted))
        return torch.stack(terms).mean()

    def watch(self) -> dict[str, float]:
        pooled = self.clip.vision_model(self.held_out.pixels).pooler_output
        labels = self.held_out.scenes.attributes()
        seen = {
            f"see_{name}": float((head(pooled).argmax(-1) == labels[name]).float().mean())
            for name, head in self.image_heads.items()
        }
        return seen | zero_shot(self.clip, self.tokenizer, self.held_out)


class VisionPart:
    """The vision tower goes on alone: it needs far more pictures than the text tower needs texts."""

    def __init__(self, clip: CLIPModel, tokenizer: CLIPTokenizer) -> None:
        torch.manual_seed(_VISION_SEED)
        self.tokenizer = tokenizer
        self.clip = clip
        self.clip.set_attn_implementation("eager")
        self.clip.text_model.requires_grad_(False)
        self.image_heads = attribute_heads(WIDTH)
        self.module = nn.ModuleDict(
            {
                "vision": clip.vision_model,
                "projection": clip.visual_projection,
                "image_heads": self.image_heads,
            }
        )
        self.held_out = world_pairs(tokenizer, HELD_OUT, (_VISION_SEED, 10**9), "held-out")

    def loss(self, step: int) -> dict[str, Tensor]:
        pairs = world_pairs(self.tokenizer, BATCH, (_VISION_SEED, step))
        rng = np.random.default_rng((_VISION_SEED, step, 3))
        wrong = [
            captions(one_attribute_changed(pairs.scenes, name, rng), (_VISION_SEED, step, 4), complete=True)
            for name in ("noun", "noun", "style")
        ]
        with torch.no_grad():
            ids = torch.cat([pairs.ids, tokenised(self.tokenizer, list(chain.from_iterable(wrong)))])
            text = self.clip.text_projection(self.clip.text_model(ids).pooler_output)
            text = F.normalize(text.float(), dim=-1)
            scale = self.clip.logit_scale.clamp(max=4.6).exp()
        pooled = self.clip.vision_model(pairs.pixels).pooler_output
        image = F.normalize(self.clip.visual_projection(pooled).float(), dim=-1)
        labels = pairs.scenes.attributes()
        return {
            "contrastive": _contrastive(scale, image, text[:BATCH], labels),
            "hard": _hard(scale, image, text.view(-1, BATCH, WIDTH)),
            "image": _head_loss(self.image_heads, pooled, labels),
        }

    def watch(self) -> dict[str, float]:
        return zero_shot(self.clip, self.tokenizer, self.held_out)


def _contrastive(scale: Tensor, image: Tensor, text: Tensor, labels: dict[str, Tensor]) -> Tensor:
    """InfoNCE both ways; pairs with equal attributes are no negatives of each other."""
    code = torch.stack(list(labels.values()), dim=1)
    same = (code[:, None] == code[None]).all(-1) & ~torch.eye(len(code), dtype=torch.bool)
    logits = (scale * image @ text.T).masked_fill(same, -1e4)
    target = torch.arange(len(code))
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))


def _hard(scale: Tensor, image: Tensor, texts: Float[Tensor, "K N D"]) -> Tensor:
    """The right caption among captions that differ in one attribute each."""
    logits = scale * torch.einsum("nd,knd->nk", image, texts)
    return F.cross_entropy(logits, torch.zeros(len(image), dtype=torch.long))


def _head_loss(heads: nn.ModuleDict, pooled: Tensor, labels: dict[str, Tensor]) -> Tensor:
    losses = [F.cross_entropy(head(pooled).float(), labels[name]) for name, head in heads.items()]
    return torch.stack(losses).mean()


@torch.no_grad()
def zero_shot(clip: CLIPModel, tokenizer: CLIPTokenizer, pairs: Pairs) -> dict[str, float]:
    """Accuracy of each attribute, classified by mean caption embeddings of its classes.

    For each class 32 captions are drawn whose other attributes are random.
    """
    image = F.normalize(clip.visual_projection(clip.vision_model(pairs.pixels).pooler_output).float(), dim=-1)
    result: dict[str, float] = {}
    for name, words in ATTRIBUTES.items():
        prototypes: list[Tensor] = []
        for word in words:
            scenes = sample_scenes(32, seed=(7, 5), split="all").edited(**{name: word})
            ids = tokenised(tokenizer, captions(scenes, (7, 6), complete=True))
            text = clip.text_projection(clip.text_model(ids).pooler_output).float()
            prototypes.append(F.normalize(F.normalize(text, dim=-1).mean(0), dim=-1))
        guess = (image @ torch.stack(prototypes).T).argmax(-1)
        result[f"zero_shot_{name}"] = float((guess == getattr(pairs.scenes, name)).float().mean())
    return result
