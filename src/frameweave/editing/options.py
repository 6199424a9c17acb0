"""Settings of editing, from which flags and run files are made.

Nothing heavy is imported here, so that `--help` answers at once.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from frameweave.adaptor.options import BaseOptions
from frameweave.editing.sampling_options import PromptOptions, SamplingOptions
from frameweave.errors import InputError
from frameweave.models.loras.asked import asked
from frameweave.models.text.embedding_words import named
from frameweave.runs.engines.options import EngineOptions
from frameweave.runs.settings import Count, InputPath, NotNegative, Positive, Seconds, Seed, Settings, Share

M = TypeVar("M", bound="ModelOptions")

Dtype = Literal["fp32", "fp16", "bf16", "fp64"]
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
    """Which layer of the text encoder is read, counted as in AUTOMATIC1111's web UI: 1 is the one that the
    model was trained with, 2 the one before it."""
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
    """Floating-point precision of the model."""
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


class AdaptorOptions(Settings):
    """Which adaptor, and how it acts."""

    heading = "Adaptor"

    adaptor: str | None = None
    """The adaptor: the packaged "miniature", a folder that `frameweave train` wrote, or auto: the packaged
    one where it is known to help; default: none."""
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


class EditorOptions(SamplingOptions):
    """What only editors of videos have."""

    as_published: bool = False
    """Reproduce the editor's published program, with its known defects."""
    audio: bool = True
    """Whether the result keeps the source's sound; --no-audio leaves it out."""
    check_inversion: bool = False
    """Sample the clip back from its inversion and say how close it comes, as PSNR in dB; an inversion from
    the cache is not checked."""
    compare: bool = False
    """Edit with every editor, without and with the adaptor, and show all results in one labelled grid."""
    flow: str | None = None
    """How the source's motion is found, for editors that need it: dis or farneback (OpenCV), none (nothing is
    followed), a name that another package brings, or a file or folder of optical flow; default: dis."""
    cache: Path | None = None
    """The folder where inversions and motion are kept; default: frameweave in the user's cache folder."""
    use_cache: bool = True
    """Whether inversions and motion are kept on the disk and used again by later edits."""


class SteadierOptions(Settings):
    """Whether the result is made steadier."""

    heading = "Editor"

    steady: Share | None = None
    """Make the result of any editor steadier: what it has changed is averaged over neighbouring frames, along
    the motion of the source. 1 is all of it, 0.5 half of it; default: nothing is averaged."""
    steady_radius: Annotated[int, Field(ge=1, le=8)] | None = None
    """Frames before and after each frame over which --steady averages; default: 2."""

    @model_validator(mode="after")
    def _no_radius_of_nothing(self) -> "SteadierOptions":
        if self.steady_radius is not None and not self.steady:
            raise InputError("steady_radius without steady", hint="give --steady, e.g. --steady 1")
        return self


class SourcePromptOptions(PromptOptions):
    """What is known about the source."""

    source_prompt: str = ""
    """A prompt that describes the source; it helps editors that invert the source; default: empty."""


class FootageOptions(Settings):
    """What of a video is edited."""

    heading = "Input"

    frames: Count | None = None
    """Take only this many frames, from the start; default: all."""
    start: Seconds | None = None
    """Edit from this time on, such as 1.5s or 1:02; the rest stays as it is; default: the beginning."""
    end: Seconds | None = None
    """Edit up to this time; the rest stays as it is; default: the end."""
    mask: InputPath | None = None
    """A mask: a picture or a video, white where to edit; the rest stays as it is; default: all is edited."""
    anchor: tuple[str, ...] = ()
    """A frame that you have edited, in any program, such as 40=frame.png: the number of the frame in the
    video, the first is 0, and a picture, which the result has there. The editor anchored carries it to the
    others. It may be given several times."""
    control_map: tuple[str, ...] = ()
    """Pictures that steer a ControlNet, such as canny=edges.mp4: a video, a folder of pictures or one
    picture, of as many frames as are edited or as the video has; default: made from the video. It may be
    given several times."""


class EditOptions(SteadierOptions, EditorOptions, ModelOptions, SourcePromptOptions, FootageOptions):
    """Settings of `frameweave edit`."""

    heading = "Output"

    fps: Positive | None = None
    """Frames per second of the result; default: every frame of the source, at its own time."""
    preview: bool = False
    """Write preview.mp4 and preview.png into the run folder and renew them while the edit runs."""
    preview_every: NotNegative = 0
    """Sampling steps between decoded pictures that are kept, such as preview-005.png; 0 keeps none."""
    out: Path | None = None
    """The run folder, or a video such as red.mp4; default: a new folder, such as runs/edit-0007-a-red-car."""
    overwrite: bool = False
    """Replace an earlier run there. Only files that it wrote are removed."""
    resume: bool = True
    """Go on where the same command was interrupted; --no-resume starts anew."""

    @property
    def _adaptor_comes_later(self) -> bool:
        """A comparison on the packaged model takes its own adaptor."""
        return self.compare and self.model == "miniature"


class PlanEditOptions(EditOptions):
    """Settings of `frameweave plan edit`: those of `edit`, so that `plan` may stand before any edit."""

    heading = "Plan"

    timed: bool = False
    """Time one call of the network on this machine. Without it the minutes are a rough guess."""


class EditManyOptions(EngineOptions, EditOptions):
    """Settings of `frameweave edit-many`."""

    seed: NotNegative = 0
    """Random seed; the table's column seed wins over it."""
    workers: NotNegative | None = 1
    """Edits made at once; each loads a model of its own. 0 makes them one by one in this process."""
    out: Path | None = Path("runs/edits")
    """The folder in which every edit gets a folder of its own."""

    @property
    def _adaptor_comes_later(self) -> bool:
        """A line of the table may name one."""
        return True


class GenerateOptions(SamplingOptions, ModelOptions):
    """Settings of `frameweave generate`."""

    heading = "Output"

    editor: str = "text2video_zero"
    """The algorithm; it must be able to make a clip from a prompt alone."""
    frames: Count = 8
    """Number of frames of the clip."""
    control_map: tuple[str, ...] = ()
    """Pictures that steer a ControlNet, such as depth=depth.mp4: a video, a folder of pictures or one
    picture, of as many frames as the clip has, which takes their shape. It may be given several times."""
    fps: Positive = 4.0
    """Frames per second of the result."""
    preview: bool = False
    """Write preview.mp4 and preview.png into the run folder and renew them while the clip is made."""
    out: Path | None = None
    """The run folder, or a video such as fish.mp4; default: a new one, such as runs/generate-0003-a-fish."""
    overwrite: bool = False
    """Replace an earlier run there. Only files that it wrote are removed."""
    resume: bool = True
    """Keep what the same command has finished there; --no-resume makes it anew."""


class DemoOptions(Settings):
    """Settings of `frameweave demo`."""

    frames: Count = 16
    """Number of frames to edit."""
    steps: Count = 20
    """Sampling steps."""
    seed: Seed = 0
    """Random seed; -1 draws one and writes it to run.toml."""
    out: Path = Path("runs/demo")
    """The run folder."""
    overwrite: bool = False
    """Replace an earlier run in that folder."""
    open: bool = False
    """Show the page in the browser when it is written."""
