"""Which model a single file holds, told from its tensors' names and shapes alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from frameweave.errors import ModelFolderError
from frameweave.models.loading.single_file.header import Header
from frameweave.models.loading.single_file.others import other_kind

UNET = "model.diffusion_model."
VAE = "first_stage_model."
OPEN_CLIP = ".model."
"""How the beginning of a text tower's names ends where the file keeps it as OpenCLIP does."""
_FIRST_LAYER = f"{UNET}input_blocks.0.0.weight"
_READS = "attn2.to_k.weight"
_CHANNELS = (4, 8)
"""Of UNets that see noisy latents, and perhaps a picture's beside them, as InstructPix2Pix's does."""
_INPAINTING, _DEPTH, _UPSCALER = 9, 5, 7
_NOISE, _V = "epsilon", "v_prediction"
_FIRST_SHOWN = 3
_WHOLE = (
    "give --model a checkpoint of Stable Diffusion 1.x, 2.x or SDXL, in one file or as a diffusers folder"
)


@dataclass(frozen=True)
class Kind:
    """A family of models in this layout."""

    name: str
    towers: Mapping[str, str]
    """Parts that read texts: how their tensors' names begin."""
    settings: tuple[str, ...]
    """What the package knows of it; several where a file does not say which."""
    width: int
    """Of the texts that its UNet reads."""


SD1 = Kind("Stable Diffusion 1.x", {"text_encoder": "cond_stage_model.transformer."}, ("sd1.5",), 768)
SD2 = Kind("Stable Diffusion 2.x", {"text_encoder": "cond_stage_model.model."}, ("sd2.1", "sd2.1-base"), 1024)
SDXL = Kind(
    "SDXL",
    {
        "text_encoder": "conditioner.embedders.0.transformer.",
        "text_encoder_2": "conditioner.embedders.1.model.",
    },
    ("sdxl",),
    2048,
)
KINDS = (SDXL, SD2, SD1)
BY_WIDTH = {kind.width: kind.name for kind in KINDS}
"""Names of models by the width of the texts that their UNets read."""
REFINER_WIDTH = 1280
_REFINER = "conditioner.embedders.0.model."


def kind_of(header: Header) -> Kind:
    """The kind of a checkpoint. Raises `ModelFolderError` for others, and says what they are."""
    file, names = header.file, header.shapes
    if not names:
        raise ModelFolderError(f"{file}: no tensors in it", hint="copy or download it again")
    if _is_embedding(header):
        raise ModelFolderError(
            f"{file}: an embedding (textual inversion), no model", hint="name it with --embedding"
        )
    inside = [name for name in names if name.startswith((UNET, "control_model."))] or [*names]
    other = other_kind(inside) if _FIRST_LAYER in names else other_kind(names)
    if other is not None:
        raise ModelFolderError(f"{file}: {other[0]}, no model to edit with", hint=other[1])
    if _FIRST_LAYER not in names:
        alone = "input_blocks.0.0.weight" in names
        told = "a UNet alone" if alone else f"no checkpoint that is known (tensors such as {_some(names)})"
        raise ModelFolderError(f"{file}: {told}", hint=_WHOLE)
    width = unet_width(header)
    found = next((kind for kind in KINDS if all(map(header.starting, kind.towers.values()))), None)
    found = found or next((kind for kind in KINDS if width == kind.width), None)
    if header.starting(_REFINER) or (width == REFINER_WIDTH and found is not SDXL):
        raise ModelFolderError(
            f"{file}: the refiner of SDXL, which only goes on with pictures of the base model",
            hint="give --model the SDXL base checkpoint",
        )
    if found is None:
        raise ModelFolderError(
            f"{file}: a UNet that reads texts {width} wide, and no text encoder that is known", hint=_WHOLE
        )
    _check_inputs(header, found)
    _check_towers(header, found)
    return found


def unet_width(header: Header) -> int | None:
    """How wide the texts are that the UNet reads; None when it reads none."""
    reading = (shape for name, shape in header.shapes.items() if name.endswith(_READS) and len(shape) > 1)
    return next((shape[1] for shape in reading), None)


def channels(header: Header) -> int:
    """Of what the UNet sees."""
    shape = header.shapes[_FIRST_LAYER]
    return shape[1] if len(shape) > 1 else 0


def prediction(header: Header) -> str | None:
    """What the UNet predicts, where the file says so: by a tensor without content, or in its notes."""
    if "v_pred" in header.shapes:
        return _V
    said = header.notes.get("modelspec.prediction_type", "").lower()
    architecture = header.notes.get("modelspec.architecture", "").lower()
    if said in ("v", _V) or architecture.startswith("stable-diffusion-v2-768-v"):
        return _V
    if said in ("epsilon", "eps") or architecture.startswith("stable-diffusion-v2-512"):
        return _NOISE
    return None


def diffused(header: Header) -> dict[str, object]:
    """What of a scheduler's settings the file says otherwise than its kind: prediction, zero terminal SNR."""
    said = prediction(header)
    found: dict[str, object] = {} if said is None else {"prediction_type": said}
    if "ztsnr" in header.shapes:
        found |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return found


def _check_inputs(header: Header, kind: Kind) -> None:
    """Raise `ModelFolderError` for a UNet that sees more than latents, or is trained in another way."""
    base = f"give --model the {kind.name} checkpoint that it was made from"
    seen = channels(header)
    told = {
        _INPAINTING: f"{kind.name} for inpainting: its UNet also sees a mask and a masked picture",
        _DEPTH: f"{kind.name} that sees depth beside the latents",
        _UPSCALER: f"an upscaler of {kind.name}: its UNet also sees a small picture",
    }
    if seen not in _CHANNELS:
        what = told.get(seen, f"{kind.name} with a UNet of {seen} input channels, expected 4 or 8")
        raise ModelFolderError(f"{header.file}: {what}", hint=base)
    if kind is not SDXL and header.starting(f"{UNET}label_emb."):
        raise ModelFolderError(
            f"{header.file}: {kind.name} that needs more than a text, as unCLIP and upscalers do", hint=base
        )
    if "edm_mean" in header.shapes or "edm_vpred.sigma_max" in header.shapes:
        raise ModelFolderError(
            f"{header.file}: {kind.name} trained by EDM, as Playground 2.5 and CosXL are, without timesteps",
            hint="give --model a checkpoint that is diffused in 1000 timesteps",
        )


def _check_towers(header: Header, kind: Kind) -> None:
    for part, prefix in kind.towers.items():
        if not header.starting(prefix):
            raise ModelFolderError(
                f"{header.file}: {kind.name} without its {part.replace('_', ' ')} (no tensors {prefix}...)",
                hint="give the whole checkpoint, not a part of it",
            )


def _is_embedding(header: Header) -> bool:
    """A few rows of a text tower's width, and nothing else."""
    shapes = [*header.shapes.values()]
    return {*header.shapes} in ({"clip_l", "clip_g"}, {"clip_g"}, {"clip_l"}) or (
        len(shapes) == 1 and len(shapes[0]) in (1, 2) and shapes[0][-1:] in ((768,), (1024,), (1280,))
    )


def _some(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)[:_FIRST_SHOWN])
