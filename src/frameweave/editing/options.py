"""Settings of editing, from which flags and run files are made.

Nothing heavy is imported here, so that `--help` answers at once.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from frameweave.errors import InputError
from frameweave.runs.engines.options import EngineOptions
from frameweave.runs.settings import Count, InputPath, NotNegative, Positive, Seconds, Seed, Settings

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


class NetworkOptions(Settings):
    """Which model, and where it runs."""

    heading = "Model"

    model: str = "miniature"
    """The model: the packaged "miniature", a diffusers folder, or a hub id (owner/name) of a Stable Diffusion
    1.x or 2.x model."""
    controlnet: str | None = None
    """A depth ControlNet (folder or hub id); default: the model folder's own."""
    depth_model: str | None = None
    """A depth estimator (folder or hub id); default: the model folder's own."""
    vision: str | None = None
    """The CLIP vision tower that reads frames for the adaptor's prompt tokens (folder or hub id); default:
    the model folder's own."""
    dtype: Dtype = "fp32"
    """Floating-point precision of the model."""
    device: str = "auto"
    """Where the model runs: auto, cpu, cuda or mps; auto takes a GPU if there is one."""


class AdaptorOptions(Settings):
    """Which adaptor, and how it acts."""

    heading = "Adaptor"

    adaptor: str | None = None
    """The adaptor: the packaged "miniature", or a folder that `frameweave train` wrote; default: none."""
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
    vision_frame: Literal["own", "first"] = "own"
    """Which source frame the adaptor's unshared tokens (prompt tokens read from a picture) come from: own,
    each frame itself; first, the first frame for all."""


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


class PromptOptions(Settings):
    """What a prompt does not say."""

    heading = "Prompt"

    negative_prompt: str = ""
    """What the video shall not show; default: nothing."""


class SamplingOptions(PromptOptions):
    """The editor, and how it samples. None means the editor's own default."""

    heading = "Editor"

    editor: str = "framewise"
    """The editing algorithm; `frameweave editors` lists all."""
    steps: Count | None = None
    """Sampling steps; 25 is quick, 50 is usual; default: the editor's own."""
    guidance: float | None = None
    """Classifier-free guidance scale (CFG): 1 is none, higher follows the prompt more; default: the editor's
    own."""
    seed: Seed = 0
    """Random seed; -1 draws one and writes it to run.toml."""
    size: Count | None = None
    """Longer side, in pixels, at which the model works; default: the model's own."""
    set: tuple[str, ...] = ()
    """Settings of the editor itself, as name=value; `frameweave editors` lists them."""


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
    cache: Path | None = None
    """The folder where inversions are kept; default: frameweave in the user's cache folder."""
    use_cache: bool = True
    """Whether inversions are kept on the disk and used again by later edits."""


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


class EditOptions(EditorOptions, ModelOptions, SourcePromptOptions, FootageOptions):
    """Settings of `frameweave edit`."""

    heading = "Output"

    fps: Positive | None = None
    """Frames per second of the result; default: every frame of the source, at its own time."""
    preview_every: NotNegative = 0
    """Sampling steps between previews; 0 writes none."""
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
    fps: Positive = 4.0
    """Frames per second of the result."""
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
    steps: Count = 25
    """Sampling steps."""
    seed: Seed = 0
    """Random seed; -1 draws one and writes it to run.toml."""
    out: Path = Path("runs/demo")
    """The run folder."""
    overwrite: bool = False
    """Replace an earlier run in that folder."""
