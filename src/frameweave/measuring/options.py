"""Settings of the experiments: one frozen dataclass each, from which flags are made."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from frameweave.editing.options import Dtype
from frameweave.measuring.measuring_options import MeasuringOptions
from frameweave.runs.engines.options import EngineOptions

FREE = ("threads", "table", *(field.name for field in fields(EngineOptions)))
"""What may change when an experiment goes on: it says where cells are made, not what is in them."""


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions(EngineOptions, MeasuringOptions):
    """What the grid and the ablation have in common."""

    workers: int | None = 1
    """Pairs at once, each with a model of its own in memory. 0 works in this process, without limits."""

    model: str = "miniature"
    """The packaged "miniature", a diffusers folder, or a hub id of a Stable Diffusion 1.x or 2.x model."""
    control: str | None = None
    """A depth ControlNet (folder or hub id); default: the model folder's own."""
    depth_model: str | None = None
    """A depth estimator (folder or hub id); default: the model folder's own."""
    vision: str | None = None
    """A CLIP vision tower for an adaptor's tokens (folder or hub id); default: the model folder's own."""
    dtype: Dtype = "fp32"
    """Precision of the networks."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    clip_set: Literal["test", "development", "confirmation"] = "test"
    """Which of the world's clips: results come from the test set, settings are chosen on the development set,
    and what was found by looking at either is confirmed on the third."""
    clips: int = 64
    """How many clips of that set are edited; without a table."""
    changes: int = 1
    """How many attributes each prompt for the world's clips changes at once, 1 to 4."""
    frames: int = 8
    """Frames of each clip."""
    size: int | None = None
    """Longer side of a table's clips, in pixels; default: the model's own."""
    seeds: int = 1
    """How many seeds each edit is made with."""
    editors: tuple[str, ...] = ("text2video_zero", "tokenflow", "vid2vid_zero", "vidtome")
    """The editors to compare."""
    steps: int = 25
    """Noise levels."""
    cells: Path | None = None
    """Where the edits lie, which experiments may share; default: `cells` in the run folder."""
    threads: int = 1
    """CPU threads of each worker."""
    out: Path = Path("runs/grid")
    """The run folder; the same command goes on with what is missing in it."""
    overwrite: bool = False
    """Replace another run in that folder."""


@dataclass(frozen=True, kw_only=True)
class GridOptions(ExperimentOptions):
    """Settings of `frameweave grid`."""

    arms: tuple[str, ...] | None = None
    """Adaptors to compare with none: name=adaptor, perhaps with @strength behind it, and with commas between
    window=0.8-1, injection=0.9-1:2+0.6-0.9:1 (in place of strength and window), tokens, no-tokens,
    plain-inversion. Default: with=miniature on the packaged model, else no adaptor at all."""


@dataclass(frozen=True, kw_only=True)
class AblationOptions(ExperimentOptions):
    """Settings of `frameweave ablation`."""

    preset: str = "miniature"
    """How the adaptors are trained: a preset of `frameweave train`, or a run.toml."""
    train_steps: int | None = None
    """Steps of the LoRA stage; default: the preset's."""
    full: str | None = None
    """The whole adaptor, if it is trained already; "miniature" is the packaged one."""
    adaptors: Path | None = None
    """Where adaptors are trained, which ablations may share; default: `adaptors` in the run folder."""
    tokens: bool = False
    """Whether prompt tokens act in the edits; in the arm without LoRA they always do."""
    out: Path = Path("runs/ablation")
    """The run folder; the same command goes on with what is missing in it."""


@dataclass(frozen=True, kw_only=True)
class TuneOptions(ExperimentOptions):
    """Settings of `frameweave tune`."""

    clip_set: Literal["test", "development", "confirmation"] = "development"
    """Which of the world's clips; choices made on another set would spoil what it shows."""
    clips: int = 16
    """How many clips of that set are edited; without a table."""
    frames: int = 4
    """Frames of each clip."""
    bands: tuple[str, ...] = ("0.9-1", "0.68-0.9", "0.3-0.68")
    """Stretches of noise levels as shares of T, in the order in which they are searched."""
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
