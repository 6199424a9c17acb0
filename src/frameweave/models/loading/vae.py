"""The VAE of a model: its own, or another one that was made for the same latents."""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder

from frameweave.errors import ModelFolderError
from frameweave.models.loading.hub import resolved
from frameweave.models.loading.parts import Parts, reads_pooled_text
from frameweave.models.loading.places import located, single_file
from frameweave.models.loading.single_file.header import Header
from frameweave.models.loading.single_file.names import Spot, vae_spots
from frameweave.models.loading.single_file.others import other_kind
from frameweave.models.loading.single_file.read import empty_network, fill
from frameweave.models.loading.weights import json_object, network, unloadable
from frameweave.models.temporal import TemporalDecoder

_KIND, _TEMPORAL = "AutoencoderKL", "AutoencoderKLTemporalDecoder"
_FOLDERS = ("", "vae_temporal_decoder", "vae")
"""Where in a folder or repository a VAE lies; Latte has two."""
_SCALE = 0.18215  # where a file says none, as the first ones do
_PREFIXES = ("first_stage_model.", "vae.", "")
_ORIGINAL, _OF_DIFFUSERS = "encoder.mid.block_1.norm1.weight", "encoder.mid_block.resnets.0.norm1.weight"
_ALSO_CALLED = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
"""Names in files that diffusers wrote before its version 0.18."""
_UNUSED = (r"^(first_stage_model\.|vae\.)?(loss|model_ema)\.",)
_ALONG_TIME = re.compile(r"decoder\..*(time_conv_out|time_mix_conv|time_stack|time_mixer)\.")
"""Of tensors of temporal decoders, in diffusers' layout and in the original one."""
_TODO = "give --vae one that was made for this version of Stable Diffusion"


def vae_of(parts: Parts, named: str | None) -> tuple[AutoencoderKL, TemporalDecoder | None]:
    """The model's own, or the one of that name: a folder, a single file in either layout, or a hub id.

    Where that one looks along time, its decoder stands beside the model's own VAE, which encodes: all that
    know these latents encode alike. Raises `ModelFolderError` for what is no VAE, and for one of other
    latents than the model's.
    """
    if named is None:
        return parts.network(AutoencoderKL, "vae"), None
    own = parts.config("vae")
    if (file := single_file(named)) is not None:
        return _from_file(Header.read(file), own), None
    source, folder = located(resolved(named))
    part, settings = _settings(source, folder)
    kind = settings.get("_class_name") or settings.get("model_type") or _KIND  # the second: of transformers
    if kind == _TEMPORAL and reads_pooled_text(parts.config("unet")):
        raise ModelFolderError(
            f"{named}: a temporal decoder, which knows the latents of Stable Diffusion 1.x and 2.x, and the "
            "model is of SDXL's kind",
            hint="leave --vae out, or give a model of Stable Diffusion 1.x or 2.x",
        )
    if kind not in (_KIND, _TEMPORAL):
        raise ModelFolderError(
            f"{named}: a network of the kind {kind}, expected {_KIND} or {_TEMPORAL}", hint=_TODO
        )
    _check_latents(named, own, settings)
    if kind == _KIND:
        return network(AutoencoderKL.from_pretrained, source, part), None
    whole = network(AutoencoderKLTemporalDecoder.from_pretrained, source, part)
    return parts.network(AutoencoderKL, "vae"), TemporalDecoder(
        whole.decoder, overflows=bool(whole.config.get("force_upcast", True))
    )


def _settings(source: str, folder: Path | None) -> tuple[str, Mapping[str, Any]]:
    """In which part of a folder or repository the VAE lies, and its settings; it may be a whole model's."""
    if folder is not None:
        name = str(AutoencoderKL.config_name)
        part = next((part for part in _FOLDERS if (folder / part / name).is_file()), None)
        if part is None:
            raise ModelFolderError(
                f"{folder}: no VAE in it (no config.json, and none in a folder vae)",
                hint="give the folder of a VAE or of a model, as diffusers writes them",
            )
        return part, json_object(folder / part / name)
    *others, usual = _FOLDERS
    for part in others:
        with suppress(OSError):
            return part, cast("Mapping[str, Any]", AutoencoderKL.load_config(source, subfolder=part))
    try:
        return usual, cast("Mapping[str, Any]", AutoencoderKL.load_config(source, subfolder=usual))
    except Exception as error:
        raise unloadable(Path(source), error) from error


def _check_latents(named: str, own: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Raise `ModelFolderError` where a model's UNet would not understand the latents."""
    _check_channels(named, own, theirs.get("latent_channels"))
    scales = [config.get("scaling_factor", _SCALE) for config in (theirs, own)]
    if all(isinstance(scale, int | float) for scale in scales) and not math.isclose(*scales, rel_tol=1e-3):
        raise ModelFolderError(
            f"{named}: a VAE with scaling_factor {scales[0]}, the model's own has {scales[1]} "
            "(0.18215 is of Stable Diffusion 1.x and 2.x, 0.13025 of SDXL)",
            hint=_TODO,
        )
    levels = [len(config.get("block_out_channels") or ()) for config in (theirs, own)]
    if all(levels) and levels[0] != levels[1]:
        raise ModelFolderError(
            f"{named}: a VAE that makes pictures {2 ** (levels[0] - 1)} times smaller, the model's own "
            f"{2 ** (levels[1] - 1)} times",
            hint=_TODO,
        )


def _check_channels(named: str, own: Mapping[str, Any], found: object) -> None:
    expected = own.get("latent_channels", 4)
    if found is not None and found != expected:
        of = " (as Flux's and Stable Diffusion 3's)" if found == 16 else ""
        raise ModelFolderError(
            f"{named}: a VAE of {found} latent channels{of}, the model's own has {expected}", hint=_TODO
        )


def _from_file(header: Header, own: Mapping[str, Any]) -> AutoencoderKL:
    """With the settings of the model's own VAE: a file has none, also not by which its latents are scaled."""
    named = str(header.file)
    if any(_ALONG_TIME.search(name) for name in header.shapes):
        raise ModelFolderError(
            f"{named}: a temporal decoder in a single file, expected a diffusers folder",
            hint=f"give its folder, with a config.json of the class {_TEMPORAL}",
        )
    for prefix in _PREFIXES:
        original = prefix + _ORIGINAL in header.shapes
        if original or prefix + _OF_DIFFUSERS in header.shapes:
            break
    else:
        other = other_kind(header.shapes)
        what = "no known network" if other is None else other[0]
        raise ModelFolderError(
            f"{named}: {what}, expected a VAE", hint="give --vae the file or folder of a VAE"
        )
    last = header.shapes.get(f"{prefix}decoder.conv_in.weight", ())
    _check_channels(named, own, last[1] if len(last) > 1 else None)
    vae = empty_network(AutoencoderKL, own, "the model's own VAE")
    names = list(vae.state_dict())
    levels = len(vae.config["block_out_channels"])
    spots = vae_spots(names, levels, prefix) if original else _as_named(names, prefix, header)
    fill(vae, spots, header, own=header.starting(prefix), unused=_UNUSED, hint=_TODO)
    return vae


def _as_named(names: list[str], prefix: str, header: Header) -> dict[str, Spot]:
    """In a file that diffusers wrote."""

    def also(name: str) -> str:
        for new, old in _ALSO_CALLED.items():
            name = name.replace(new, old)
        return name

    return {name: Spot(prefix + (name if prefix + name in header.shapes else also(name))) for name in names}
