"""What to load: one value from the flags down to the networks. Nothing heavy is imported here."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from frameweave.errors import InputError

MINIATURE = "miniature"
KNOWN = ("sd1.5", "sd2.1", "sd2.1-base", "sdxl")
"""Models whose settings the package knows by itself."""


def miniature_folder() -> Path:
    """The model that ships in the package: an ordinary diffusers folder."""
    return Path(str(files("frameweave"))) / "miniature" / "weights"


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """A model with what goes beside it, and where it runs."""

    model: str = MINIATURE
    """"miniature", a diffusers folder, a single file as A1111 and ComfyUI take it, or a hub id such as
    stable-diffusion-v1-5/stable-diffusion-v1-5."""
    config: str | None = None
    """Settings of a single file: a name such as sd1.5, a folder or a hub id; None takes what is known of its
    kind."""
    vae: str | None = None
    """A VAE in place of the model's own: a folder, a single file or a hub id."""
    controlnet: str | None = None
    """A depth ControlNet (folder or hub id); None takes the model folder's own, if any."""
    control: tuple[str, ...] = ()
    """Further ControlNets, each as KIND=ID@SCALE:FROM-TO; with any, the folder's own is not taken."""
    vision: str | None = None
    """A CLIP vision tower (folder or hub id); None takes the model folder's own, if any."""
    prompt_syntax: str = "plain"
    """plain reads prompts as they are written; a1111 reads weights, breaks and long prompts as
    AUTOMATIC1111's web UI does, which is what commands ask for."""
    clip_skip: int = 1
    """1 reads the layer of the text encoder that the model was trained with, 2 the one before it."""
    lora: tuple[str, ...] = ()
    """LoRAs of other programs, each FILE, FILE@0.8 or FILE@0.8:0-0.6; see `loras.asked`."""
    embedding: tuple[str, ...] = ()
    """Textual inversions, each FILE or word=FILE; see `text.embedding_files`."""
    image_prompt: tuple[str, ...] = ()
    """Pictures as prompts, each FILE, FILE@0.6 or FILE@0.6:0-0.5; they need an adapter."""
    image_adapter: str | None = None
    """The IP-Adapter that reads them: a safetensors file, or one of a hub repository."""
    image_encoder: str | None = None
    """Its CLIP vision encoder (folder or hub id); None takes the folder image_encoder beside the adapter."""
    dtype: str = "fp32"
    """fp32, fp16, bf16 or fp64."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    low_memory: bool = False
    """Whether parts are on a GPU only while they work, and the VAE takes one frame at a time there."""
    vae_tiles: bool = False
    """Whether the VAE cuts large frames into tiles, which changes the result a little."""
    attention: str = "auto"
    """By which of torch's kernels attention is computed: auto, flash, efficient, cudnn or math."""
    compile: bool = False
    """Whether torch compiles parts of the UNet and ControlNets, which changes results by rounding."""

    def __post_init__(self) -> None:
        for name in ("control", "lora", "embedding", "image_prompt"):
            found: object = getattr(self, name)
            if isinstance(found, str):  # each letter would be one
                raise InputError(f"{name} is a text, expected a list of texts", hint=f"give [{found!r}]")
            object.__setattr__(self, name, tuple(map(str, getattr(self, name))))  # also of paths
