"""The parts of a model that lies in one file: its networks from there, its settings from elsewhere."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTokenizer

from frameweave.errors import ModelFolderError
from frameweave.models.loading.choice import KNOWN
from frameweave.models.loading.hub import resolved
from frameweave.models.loading.parts import FolderParts, PartSettings
from frameweave.models.loading.places import located
from frameweave.models.loading.single_file.header import Header
from frameweave.models.loading.single_file.kinds import (
    OPEN_CLIP,
    SD2,
    UNET,
    VAE,
    Kind,
    channels,
    diffused,
    kind_of,
    prediction,
    unet_width,
)
from frameweave.models.loading.single_file.known import Known
from frameweave.models.loading.single_file.names import (
    Spot,
    clip_spots,
    open_clip_spots,
    unet_spots,
    vae_spots,
)
from frameweave.models.loading.single_file.read import empty_network, fill

_TEXT_UNUSED = (r"position_ids$", r"(^|\.)logit_scale$", r"text_projection(\.weight)?$", r"attn_mask$")
_VAE_UNUSED = (r"^first_stage_model\.(loss|model_ema)\.",)

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class FileParts:
    """Of a checkpoint in one file."""

    header: Header
    kind: Kind
    settings: PartSettings

    @classmethod
    def of(cls, file: Path, config: str | None) -> "FileParts":
        """With the settings of that name, by default those of the file's kind.

        Raises `ModelFolderError` for a file that is no checkpoint, and when its settings cannot be told.
        """
        header = Header.read(file)
        kind = kind_of(header)
        if config is not None and config not in KNOWN:
            folder = FolderParts(*located(resolved(config)))
            folder.check()
            return cls(header, kind, folder)
        return cls(header, kind, Known(_settings(header, kind, config)))

    @property
    def source(self) -> str:
        return str(self.header.file)

    @property
    def folder(self) -> None:
        """There is nothing beside a single file."""
        return None

    def config(self, part: str) -> Mapping[str, Any]:
        found = self.settings.config(part)
        if part == "scheduler":  # what the file says of itself counts, whatever its settings come from
            return dict(found) | diffused(self.header)
        return dict(found) | {"in_channels": channels(self.header)} if part == "unet" else found

    def index(self) -> Mapping[str, object]:
        return self.settings.index()

    def tokenizer(self, part: str, encoder: CLIPTextConfig) -> CLIPTokenizer:
        return self.settings.tokenizer(part, encoder)

    def network(self, kind: type[M], part: str) -> M:
        found = empty_network(kind, self.config(part), f"{self.settings.source}/{part}")
        prefix = {"unet": UNET, "vae": VAE, **self.kind.towers}.get(part, "")
        own = self.header.starting(prefix) if prefix else set[str]()
        if not own:
            raise ModelFolderError(
                f"{self.source}: no {part.replace('_', ' ')} in it ({self.kind.name})",
                hint="name one with --vae" if part == "vae" else "give the whole checkpoint",
            )
        todo = f"the folder or hub id of a {self.kind.name} model of this file's sizes"
        if isinstance(self.settings, Known):
            todo = f"download the file again, or give --model-config {todo}"
        else:
            todo = (
                f"download the file again, or, where {self.settings.source} has other sizes or is of another "
                f"kind, give --model-config {todo}"
            )
        fill(found, _spots(found, prefix, own), self.header, own=own, unused=_unused(found), hint=todo)
        return found


def _spots(network: nn.Module, prefix: str, own: Collection[str]) -> dict[str, Spot]:
    """Where the tensors of a network lie."""
    names = list(network.state_dict())
    if isinstance(network, UNet2DConditionModel):
        each, levels = network.config["layers_per_block"], len(network.config["block_out_channels"])
        return unet_spots(names, [each] * levels if isinstance(each, int) else [*each], prefix)
    if isinstance(network, AutoencoderKL):
        return vae_spots(names, len(network.config["block_out_channels"]), prefix)
    if prefix.endswith(OPEN_CLIP):
        return open_clip_spots(names, prefix)
    inner = f"{prefix}text_model."
    return clip_spots(names, inner if any(name.startswith(inner) for name in own) else prefix)


def _unused(network: nn.Module) -> Sequence[str]:
    """Tensors of a part that change nothing: patterns of their names."""
    if isinstance(network, UNet2DConditionModel):
        return ()
    if isinstance(network, AutoencoderKL):
        return _VAE_UNUSED
    last = cast(
        "CLIPTextConfig", network.config
    ).num_hidden_layers  # Stable Diffusion 2.x takes OpenCLIP's last layer but one
    return (*_TEXT_UNUSED, rf"\.resblocks\.{last}\.")


def _settings(header: Header, kind: Kind, named: str | None) -> str:
    """The name of the package's settings for a file. Raises `ModelFolderError` where it cannot be told."""
    width = unet_width(header)
    if named is not None and named not in kind.settings:
        raise ModelFolderError(
            f"{header.file}: {kind.name}, and --model-config {named} is of another kind",
            hint=f"give --model-config {' or '.join(kind.settings)}, or leave it out",
        )
    if width != kind.width:
        raise ModelFolderError(
            f"{header.file}: {kind.name} of unusual size: its UNet reads texts {width} wide, "
            f"expected {kind.width}",
            hint="give --model-config the diffusers folder or hub id of a model of these sizes",
        )
    if named is None and kind is SD2:
        said = prediction(header)
        if said is None:
            raise ModelFolderError(
                f"{header.file}: {kind.name}, and nothing in it says what its UNet predicts",
                hint="give --model-config sd2.1 (v, 768 pixels: most files with 768 or v in their name) or "
                "--model-config sd2.1-base (noise, 512 pixels)",
            )
        return "sd2.1" if said == "v_prediction" else "sd2.1-base"
    return named or kind.settings[0]
