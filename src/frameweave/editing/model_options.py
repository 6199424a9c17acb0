"""Settings of the model and the adaptor: which, how each acts, and where they run.

Nothing heavy is imported here, so that `--help` answers at once.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from frameweave.adaptor.options import BaseOptions
from frameweave.errors import InputError
from frameweave.models.loras.asked import asked
from frameweave.models.text.embedding_words import named
from frameweave.runs.settings import Settings

M = TypeVar("M", bound="ModelOptions")

Dtype = Literal["auto", "fp32", "fp16", "bf16", "fp64"]
OF_AN_ADAPTOR = (
    "adaptor_strength",
    "adaptor_schedule",
    "tokens",
    "adaptor_in_inversion",
    "adaptor_window",
    "vision_frame",
)
"""Settings that say something only where there is an adaptor."""


class NetworkOptions(BaseOptions):
    """Which model, what goes beside it, and in which precision."""

    heading = "Model"

    controlnet: str | None = None
    """A depth ControlNet (folder, hub id or safetensors file), short for --control depth=ID; default: the
    model folder's own."""
    control: tuple[str, ...] = ()
    """A ControlNet of any kind, such as canny=owner/name (folder, hub id or safetensors file); @0.7 after it
    is its scale, @0.7:0-0.6 makes it act in the first 60 % of the steps. It may be given several times."""
    prompt_syntax: Literal["a1111", "plain"] = "a1111"
    """How prompts are read. a1111: as in AUTOMATIC1111's web UI, (word) is 1.1 times as strong, (word:1.3)
    1.3 times, [word] weaker, BREAK begins a new part, and long prompts are read in parts. plain: as they are
    written, cut at the text encoder's length."""
    clip_skip: Annotated[int, Field(ge=1, le=40)] = 1
    """Which layer of the text encoder is read: 1 is the one that the model was trained with, 2 the one before
    it. AUTOMATIC1111's web UI counts so for Stable Diffusion 1.x; for SDXL and 2.x it usually reads the one
    of training whatever is asked."""
    lora: tuple[str, ...] = ()
    """A LoRA of another program: a safetensors file, owner/name on the hub, or owner/name/file.safetensors.
    @0.8 after it is its strength (default: 1), @0.8:0-0.6 makes it act in the first 60 % of the timesteps,
    counted from the noise. It may be given several times."""
    embedding: tuple[str, ...] = ()
    """A textual inversion: a safetensors file, owner/name on the hub, or owner/name/file.safetensors. Its
    word in a prompt or negative prompt is the file's name, or another one given as word=FILE. It may be given
    several times."""
    image_prompt: tuple[str, ...] = ()
    """A picture as a prompt, such as face.png; @0.6 after it is its strength, @0.6:0-0.5 makes it act in the
    first half of the steps. It needs an IP-Adapter and may be given several times."""
    image_adapter: str | None = None
    """The IP-Adapter that reads the pictures of --image-prompt: a safetensors file, or one of a hub
    repository, such as h94/IP-Adapter/models/ip-adapter_sd15.safetensors."""
    image_encoder: str | None = None
    """The CLIP vision encoder of the IP-Adapter (folder or hub id); default: image_encoder beside it."""
    dtype: Dtype = "fp32"
    """Floating-point precision of the networks; auto is half precision where the device computes in it by
    itself (bf16, else fp16), and fp32 elsewhere. Latents and noise are never less than fp32."""
    low_memory: bool = False
    """Need less memory of a GPU, and more time: parts of the model are on the GPU only while they work, the
    VAE takes one frame at a time, and the UNet as many at once as fit. On a CPU nothing changes."""
    vae_tiles: bool = False
    """Encode and decode large frames in overlapping tiles, where the VAE runs out of memory. The result
    differs a little. Frames up to the VAE's own size (512 pixels, SDXL: 1024) are never cut."""
    attention: Literal["auto", "flash", "efficient", "cudnn", "math"] = "auto"
    """By which of torch's own kernels attention is computed, in every editor; auto lets torch choose. They
    differ in speed and memory, and in rounding."""
    compile: bool = False
    """Let torch compile parts of the UNet and ControlNets: the first calls take minutes, later ones less
    time. Results differ by rounding. It needs triton on a GPU, and a C++ compiler on a CPU."""

    @field_validator("lora")
    @classmethod
    def _strengths_are_numbers(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            asked(text)
        return texts

    @field_validator("embedding")
    @classmethod
    def _words_can_stand_in_prompts(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            named(text)
        return texts

    @property
    def steers(self) -> bool:
        """Whether a ControlNet is asked for."""
        return bool(self.controlnet or self.control)


class AdaptorOptions(Settings):
    """Which adaptor, and how it acts."""

    heading = "Adaptor"

    adaptor: str | None = None
    """The adaptor: a packaged one (miniature; strangers, for things that the Miniature never saw), a folder
    that `frameweave train` wrote, or auto: the packaged one that is known to help there; default: none."""
    adaptor_strength: Annotated[float, Field(ge=0, le=2)] | None = None
    """Strength of the adaptor's LoRA; 0 is off; default: the adaptor's own for this editor, usually 0.5."""
    adaptor_schedule: str | None = None
    """Strength schedule of the LoRA, e.g. 0.9-1:2,0.6-0.9:0.5: strength 2 at timesteps from 0.9 T to T, 0.5
    from 0.6 T to 0.9 T, 0 elsewhere; T is the number of training timesteps, usually 1000; default: the
    adaptor's own for this editor."""
    tokens: bool | None = None
    """Whether the adaptor's prompt tokens act; default: the adaptor's own for this editor, usually not."""
    adaptor_in_inversion: bool = True
    """Whether the adaptor also acts while the source is inverted, inside the same window."""
    adaptor_window: Literal["value", "steps"] = "value"
    """How the adaptor's window is read: value, as timesteps; steps, as a share of the sampler's steps."""
    vision_frame: Literal["own", "first", "none"] = "own"
    """Which source frame the adaptor's unshared tokens (prompt tokens read from a picture) come from: own,
    each frame itself; first, the first frame for all; none, there are shared tokens only."""


class ModelOptions(AdaptorOptions, NetworkOptions):
    """Which model and adaptor, and where they run."""

    @property
    def _adaptor_comes_later(self) -> bool:
        """Whether an adaptor may still be named elsewhere."""
        return False

    @model_validator(mode="after")
    def _no_words_about_no_adaptor(self) -> "ModelOptions":
        for name in OF_AN_ADAPTOR:
            usual = type(self).model_fields[name].default
            asked = getattr(self, name) != usual and (name != "tokens" or self.tokens)
            if asked and self.adaptor is None and not self._adaptor_comes_later:
                raise InputError(f"{name} without an adaptor", hint="name one with --adaptor, e.g. miniature")
        if self.adaptor_strength is not None and self.adaptor_schedule is not None:
            raise InputError(
                "adaptor_strength and adaptor_schedule are both given, expected one of them",
                hint="leave --adaptor-strength out: the schedule has strengths of its own",
            )
        return self

    def without_adaptor(self: M) -> M:
        """The same without an adaptor, and without what is said about one."""
        usual = {name: type(self).model_fields[name].default for name in OF_AN_ADAPTOR}
        return self.replaced(**usual | {"adaptor": None})
