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
    """Networks behind the metrics: miniature, the packaged ones; real, published ones; auto, miniature for
    edits by the packaged model and real for others."""
    weights: Path | None = None
    """Folder with the published weights of AlexNet, LPIPS and Inception; default: weights in the cache
    folder."""
    clip_model: str = "openai/clip-vit-base-patch32"
    """CLIP model that --backbones real uses: a folder or a hub id."""


class EvaluateOptions(MeasuringOptions):
    """What is known about the edited videos."""

    heading = "Input and output"

    backbones: Literal["auto", "miniature", "real"] = "miniature"
    """Networks behind the metrics: miniature, the packaged ones, which know the Miniature's world only; real,
    published ones."""
    source: InputPath | None = None
    """The videos before the edit: a video, or a folder with a video of the same name for each edited one."""
    truth: InputPath | None = None
    """The perfect results, where they are known: a video or a folder."""
    mask: InputPath | None = None
    """Masks, white where the edit may change pixels: a picture, a video, or a folder."""
    prompt: str = ""
    """What the edited videos should show."""
    source_prompt: str = ""
    """What the sources show."""
    frames: Count | None = None
    """Take only this many frames, from the start; default: all."""
    out: Path = Path("runs/evaluate")
    """The run folder."""
    overwrite: bool = False
    """Replace an earlier run in that folder."""


class ExperimentOptions(EngineOptions, MeasuringOptions):
    """What the grid and the ablation have in common."""

    heading = "Edits"

    workers: NotNegative | None = 1
    """Clips edited at once, each with a model of its own in memory. 0 edits them one by one in this process,
    without limits of time and memory."""

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
    clip_set: Literal["test", "development", "validation"] = "test"
    """Which set of the Miniature's clips is edited: development, to choose settings on; test, for results;
    validation, to measure once more what was found on the other two."""
    clips: Count = 64
    """Number of clips taken from --clip-set; not used with a table."""
    changes: Annotated[int, Field(ge=1, le=4)] = 1
    """Number of attributes (noun, colour, background, style) that each prompt for the Miniature's clips
    changes."""
    frames: Count = 8
    """Number of frames of each clip."""
    size: Count | None = None
    """Longer side of the table's clips in the model, in pixels; default: the model's own."""
    seeds: Count = 1
    """Number of random seeds; each edit is made once with each."""
    editors: tuple[str, ...] = ("text2video_zero", "tokenflow", "vid2vid_zero", "vidtome")
    """The editors to compare."""
    set: tuple[str, ...] = ()
    """Settings of the editors: name=value for all that have it, or editor.name=value for one."""
    steps: Count = 25
    """Sampling steps."""
    cells: Path | None = None
    """The folder of the finished edits, which several experiments may share; default: `cells` in the run
    folder."""
    threads: Count = 1
    """CPU threads of each worker."""
    out: Path = Path("runs/grid")
    """The run folder; the same command goes on where a run in it stopped."""
    overwrite: bool = False
    """Replace another run in that folder."""


class GridOptions(ExperimentOptions):
    """Settings of `frameweave grid`."""

    arms: tuple[str, ...] | None = None
    """Adaptors to compare with none, each as name=adaptor. Behind it may stand @strength, and with commas
    between: window=0.8-1, schedule=0.9-1:2+0.6-0.9:1 (a strength schedule, in place of strength and
    window), tokens or no-tokens, and plain-inversion (the source is inverted without the adaptor).
    Default: with=miniature on the packaged model, else no adaptor at all."""


class AblationOptions(ExperimentOptions):
    """Settings of `frameweave ablation`."""

    preset: str = "miniature"
    """How the adaptors are trained: a preset of `frameweave train`, or a run.toml."""
    train_steps: Count | None = None
    """Optimiser steps of the LoRA stage; default: the preset's."""
    full: str | None = None
    """The complete adaptor, if it is trained already; "miniature" is the packaged one; default: it is trained
    too."""
    adaptors: Path | None = None
    """The folder of the trained adaptors, which several ablations may share; default: `adaptors` in the run
    folder."""
    tokens: bool = False
    """Whether the prompt tokens act in the edits; with the adaptor that lacks the LoRA they always do."""
    out: Path = Path("runs/ablation")
    """The run folder; the same command goes on where a run in it stopped."""


class TuneOptions(ExperimentOptions):
    """Settings of `frameweave tune`."""

    clip_set: Literal["test", "development", "validation"] = "development"
    """Which set of the Miniature's clips is edited; settings chosen on test or validation would spoil what
    these show later."""
    clips: Count = 16
    """Number of clips taken from --clip-set; not used with a table."""
    frames: Count = 4
    """Number of frames of each clip."""
    bands: tuple[str, ...] = ("0.9-1", "0.68-0.9", "0.3-0.68")
    """Timestep intervals whose strength is chosen one after the other, as shares of T, the number of training
    timesteps."""
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0)
    """LoRA strengths that are tried in each interval; 0 is always tried."""
    tokens: bool = True
    """Whether the adaptor's prompt tokens are tried too; --no-tokens leaves them off in these editors."""
    metrics: tuple[str, ...] = ("warp_error",)
    """Metrics that must improve; of several, the least certain gain counts."""
    guards: tuple[str, ...] = ("clip_score",)
    """Metrics that must not get worse: a choice may not lose more in one of them than its standard error."""
    out: Path = Path("runs/tune")
    """The run folder; the same command goes on where a run in it stopped."""


class ReportOptions(Settings):
    """Settings of `frameweave report`."""

    out: Path | None = None
    """The folder to write to; default: the first of the run folders."""


class BenchOptions(Settings):
    """Settings of `frameweave bench`."""

    quick: bool = False
    """Fewer repetitions and shorter videos."""
    set: tuple[str, ...] = ()
    """Settings of the editors: name=value for all that have it, or editor.name=value for one."""
