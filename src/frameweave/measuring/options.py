"""Settings of every command that measures."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frameweave.editing.options import Dtype
from frameweave.runs.engines.options import EngineOptions
from frameweave.runs.settings import Count, InputPath, NotNegative, Settings

FREE = ("threads", "table", *EngineOptions.model_fields)
"""What may change when an experiment goes on: it says where cells are made, not what is in them."""


class MeasuringOptions(Settings):
    """Which networks stand behind the metrics."""

    heading = "Metrics"

    backbones: Literal["auto", "miniature", "real"] = "auto"
    """The Miniature's networks, or published ones. auto: the Miniature's for edits by the packaged model."""
    weights: Path | None = None
    """Folder with published weights of AlexNet, LPIPS and Inception; default: weights in the cache folder."""
    clip_model: str = "openai/clip-vit-base-patch32"
    """CLIP model of the published scores: a folder or a hub id."""


class EvaluateOptions(MeasuringOptions):
    """What is known about the edited videos."""

    heading = "Input and output"

    backbones: Literal["auto", "miniature", "real"] = "miniature"
    """The Miniature's networks, which know its world only, or published ones."""
    source: InputPath | None = None
    """What was edited: a video, or a folder with one of the same name for each."""
    truth: InputPath | None = None
    """What a perfect edit would give, where it is known; a video or a folder."""
    mask: InputPath | None = None
    """White where the edit may change pixels: a picture, a video, or a folder."""
    prompt: str = ""
    """What the edited videos should show."""
    source_prompt: str = ""
    """What the sources show."""
    frames: Count | None = None
    """Take only so many frames from the start."""
    out: Path = Path("runs/evaluate")
    """The run folder."""
    overwrite: bool = False
    """Replace an earlier run in that folder."""


class ExperimentOptions(EngineOptions, MeasuringOptions):
    """What the grid and the ablation have in common."""

    heading = "Edits"

    workers: NotNegative | None = 1
    """Pairs at once, each with a model of its own in memory. 0 works in this process, without limits."""

    model: str = "miniature"
    """The packaged "miniature", a diffusers folder, or a hub id of a Stable Diffusion 1.x or 2.x model."""
    controlnet: str | None = None
    """A depth ControlNet (folder or hub id); default: the model folder's own."""
    depth_model: str | None = None
    """A depth estimator (folder or hub id); default: the model folder's own."""
    vision: str | None = None
    """A CLIP vision tower for an adaptor's tokens (folder or hub id); default: the model folder's own."""
    dtype: Dtype = "fp32"
    """Precision of the networks."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    clip_set: Literal["test", "development", "validation"] = "test"
    """Which of the world's clips: results come from the test set, settings are chosen on the development set,
    and what was found by looking at either is measured once more on the validation set."""
    clips: Count = 64
    """How many clips of that set are edited; without a table."""
    changes: Annotated[int, Field(ge=1, le=4)] = 1
    """How many attributes each prompt for the world's clips changes at once, 1 to 4."""
    frames: Count = 8
    """Frames of each clip."""
    size: Count | None = None
    """Longer side of a table's clips, in pixels; default: the model's own."""
    seeds: Count = 1
    """How many seeds each edit is made with."""
    editors: tuple[str, ...] = ("text2video_zero", "tokenflow", "vid2vid_zero", "vidtome")
    """The editors to compare."""
    set: tuple[str, ...] = ()
    """Settings of the editors, as name=value for all that have it, or editor.name=value for one."""
    steps: Count = 25
    """Sampling steps."""
    cells: Path | None = None
    """Where the edits lie, which experiments may share; default: `cells` in the run folder."""
    threads: Count = 1
    """CPU threads of each worker."""
    out: Path = Path("runs/grid")
    """The run folder; the same command goes on with what is missing in it."""
    overwrite: bool = False
    """Replace another run in that folder."""


class GridOptions(ExperimentOptions):
    """Settings of `frameweave grid`."""

    arms: tuple[str, ...] | None = None
    """Adaptors to compare with none: name=adaptor, perhaps with @strength behind it, and with commas between
    window=0.8-1, schedule=0.9-1:2+0.6-0.9:1 (strength by timestep, in place of strength and window), tokens,
    no-tokens, plain-inversion. Default: with=miniature on the packaged model, else no adaptor at all."""


class AblationOptions(ExperimentOptions):
    """Settings of `frameweave ablation`."""

    preset: str = "miniature"
    """How the adaptors are trained: a preset of `frameweave train`, or a run.toml."""
    train_steps: Count | None = None
    """Steps of the LoRA stage; default: the preset's."""
    full: str | None = None
    """The whole adaptor, if it is trained already; "miniature" is the packaged one."""
    adaptors: Path | None = None
    """Where adaptors are trained, which ablations may share; default: `adaptors` in the run folder."""
    tokens: bool = False
    """Whether prompt tokens act in the edits; in the arm without LoRA they always do."""
    out: Path = Path("runs/ablation")
    """The run folder; the same command goes on with what is missing in it."""


class TuneOptions(ExperimentOptions):
    """Settings of `frameweave tune`."""

    clip_set: Literal["test", "development", "validation"] = "development"
    """Which of the world's clips; choices made on another set would spoil what it shows."""
    clips: Count = 16
    """How many clips of that set are edited; without a table."""
    frames: Count = 4
    """Frames of each clip."""
    bands: tuple[str, ...] = ("0.9-1", "0.68-0.9", "0.3-0.68")
    """Intervals of timesteps as shares of T, in the order in which they are searched."""
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0)
    """What is tried in each band, beside silence."""
    tokens: bool = True
    """Whether the prompt tokens are tried, if the adaptor has any; else they stay off in these editors."""
    metrics: tuple[str, ...] = ("warp_error",)
    """What must become better; of several the least certain gain counts."""
    guards: tuple[str, ...] = ("clip_score",)
    """What must not become worse: no choice may lose more in one of these metrics than its standard error."""
    out: Path = Path("runs/tune")
    """The run folder; the same command goes on with what is missing in it."""


class ReportOptions(Settings):
    """Settings of `frameweave report`."""

    out: Path | None = None
    """Where to write; default: into the first folder."""


class BenchOptions(Settings):
    """Settings of `frameweave bench`."""

    quick: bool = False
    """Fewer repetitions and shorter videos."""
    set: tuple[str, ...] = ()
    """Settings of the editors, as name=value for all that have it, or editor.name=value for one."""
