"""Settings of the usual models, which the package knows by itself: no hub is asked for them.

The vocabulary of their tokenizers is not among them. It is one for all these models.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any, cast

from transformers import CLIPTextConfig, CLIPTokenizer

from frameweave.errors import ModelFolderError
from frameweave.models.loading.hub import here, reachable
from frameweave.models.text.tokenizer import clip_tokenizer

VOCABULARIES = (
    ("openai/clip-vit-large-patch14", ""),
    ("stable-diffusion-v1-5/stable-diffusion-v1-5", "tokenizer"),
    ("stabilityai/stable-diffusion-xl-base-1.0", "tokenizer"),
    ("stabilityai/stable-diffusion-2-1", "tokenizer"),
    ("stabilityai/stable-diffusion-2-1-base", "tokenizer"),
)
"""Hub ids, and in which part of them CLIP's vocabulary lies."""
_FILES = ("tokenizer.json", "vocab.json")
_SETTINGS = files("frameweave.models.loading.single_file") / "settings"


@dataclass(frozen=True)
class Known:
    """Settings of the package, by the name of the model that they are of."""

    source: str

    @cached_property
    def _tables(self) -> dict[str, dict[str, Any]]:
        text = (_SETTINGS / f"{self.source}.toml").read_text(encoding="utf-8")
        return cast("dict[str, dict[str, Any]]", tomllib.loads(text))

    def config(self, part: str) -> Mapping[str, Any]:
        return self._tables[part]

    def index(self) -> Mapping[str, object]:
        return {}

    def tokenizer(self, part: str, encoder: CLIPTextConfig) -> CLIPTokenizer:
        """From the hub's cache, else from the hub. Raises `ModelFolderError` where neither has it."""
        pad_token = str(self._tables[part]["pad_token"])
        for name, inner in VOCABULARIES:
            folder = here(name)
            if folder is not None and any((folder / inner / file).is_file() for file in _FILES):
                return clip_tokenizer(str(folder), inner, encoder, pad_token=pad_token)
        name, inner = VOCABULARIES[0]
        if not reachable():
            raise ModelFolderError(
                f"{self.source}: the vocabulary of {name} is not here, and the hub does not answer",
                hint="give --model-config a diffusers folder of such a model, or run "
                f"'hf download {name} vocab.json merges.txt' once where there is a connection",
            )
        return clip_tokenizer(name, inner, encoder, pad_token=pad_token)
