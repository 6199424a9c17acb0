"""The parts of a model, wherever they lie: a folder or a repository of the hub, or a single file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline
from torch import nn
from transformers import CLIPTextConfig, CLIPTokenizer

from frameweave.errors import ModelFolderError
from frameweave.models.loading.weights import json_object, network, unloadable
from frameweave.models.text.tokenizer import clip_tokenizer

_CONFIG = "config.json"
_USUAL = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
XL_PARTS = ("text_encoder_2", "tokenizer_2")
"""What SDXL has beside the parts of Stable Diffusion 1.x and 2.x."""
NO_REFINER = "SDXL's refiner lacks it and cannot be used: give the SDXL base model, as a complete folder"
"""What to do about a model with only the second text encoder."""

M = TypeVar("M", bound=nn.Module)


@runtime_checkable
class PartSettings(Protocol):
    """What is said of a model's parts, which are called as in a diffusers folder."""

    @property
    def source(self) -> str:
        """What errors name."""
        ...

    def config(self, part: str) -> Mapping[str, Any]:
        """The settings of a part, whose weights may not be there."""
        ...

    def index(self) -> Mapping[str, object]:
        """What is said of the model as a whole."""
        ...

    def tokenizer(self, part: str, encoder: CLIPTextConfig) -> CLIPTokenizer:
        """The tokenizer of a text encoder."""
        ...


@runtime_checkable
class Parts(PartSettings, Protocol):
    """What a model is put together from."""

    @property
    def folder(self) -> Path | None:
        """Where further networks may lie beside the usual parts."""
        ...

    def network(self, kind: type[M], part: str) -> M:
        """Raises `ModelFolderError` unless every tensor of it is there, and no other."""
        ...


def reads_pooled_text(unet: Mapping[str, Any]) -> bool:
    """Whether a UNet of these settings is one of SDXL's kind: it reads pooled text and sizes too."""
    return unet.get("addition_embed_type") == "text_time"


@dataclass(frozen=True)
class FolderParts:
    """Of a diffusers folder, or of a hub repository, which has no `folder`."""

    source: str
    folder: Path | None

    def check(self) -> None:
        """Raise `ModelFolderError` for missing parts, before anything is built."""
        if self.folder is None:
            return
        unet = self.folder / "unet" / _CONFIG
        more = XL_PARTS if unet.is_file() and reads_pooled_text(json_object(unet)) else ()
        for part in (*_USUAL, *more):
            if not (self.folder / part).is_dir():
                found = ", ".join(sorted(path.name for path in self.folder.iterdir())) or "nothing"
                refiner = part == "text_encoder" and (self.folder / XL_PARTS[0]).is_dir()
                raise ModelFolderError(
                    f"{self.folder}: no {part} folder in it (found {found})",
                    hint=NO_REFINER if refiner else "give a complete diffusers folder",
                )
        self.index()

    def network(self, kind: type[M], part: str) -> M:
        reader = cast("Callable[..., M]", kind.from_pretrained)  # pyright: ignore
        return network(reader, self.source, part)

    def config(self, part: str) -> Mapping[str, Any]:
        kind = DDIMScheduler if part == "scheduler" else AutoencoderKL  # either reads any file of its name
        if self.folder is not None:
            return json_object(self.folder / part / str(kind.config_name))
        try:
            return cast("Mapping[str, Any]", kind.load_config(self.source, subfolder=part))
        except Exception as error:
            raise unloadable(Path(self.source) / part, error) from error

    def index(self) -> Mapping[str, object]:
        file = Path(self.source) / str(DiffusionPipeline.config_name)
        if self.folder is not None:
            return json_object(file) if file.is_file() else {}
        try:
            return cast("Mapping[str, object]", DiffusionPipeline.load_config(self.source))
        except Exception as error:
            raise unloadable(file, error) from error

    def tokenizer(self, part: str, encoder: CLIPTextConfig) -> CLIPTokenizer:
        return clip_tokenizer(self.source, part, encoder)
