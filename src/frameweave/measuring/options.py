"""Settings of every command that measures."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frameweave.editing.model_options import NetworkOptions
from frameweave.runs.engines.options import EngineOptions
from frameweave.runs.settings import Count, InputPath, NotNegative, Settings, Share

ClipSet = Literal[
    "test", "development", "validation", "strangers", "strangers-development", "strangers-validation"
]
BenchPart = Literal[
    "start", "world", "editing", "length", "size", "training", "adaptor", "metrics", "data", "video"
]
FREE = ("threads", "table", "baseline", *EngineOptions.model_fields)
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
    pick_model: str | None = None
    """Model of PickScore (folder or hub id), such as yuvalkirstain/PickScore_v1; default: PickScore is not
    measured."""
    dino_model: str | None = None
    """DINO network of the structure distance (folder or hub id), such as facebook/dino-vitb8; default: it is
    not measured."""


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
    benchmark: Literal["v2vbench", "five", "ivebench"] | None = None
    """Measure the edits of a published benchmark, as it measures them and sums them up. Their folder is laid
    out as that benchmark wants it. Its own prompts, sources and masks are taken."""
    benchmark_data: InputPath | None = None
    """The benchmark's own folder, which holds its prompts and sources, or its table of prompts; default: the
    folder of the edits."""
    frames: Count | None = None
    """Take only this many frames, from the start; default: all."""
    out: Path = Path("runs/evaluate")
    """The run folder."""
    overwrite: bool = False
    """Replace an earlier run in that folder."""


class ExperimentOptions(EngineOptions, MeasuringOptions, NetworkOptions):
    """What the grid and the ablation have in common."""

    heading = "Edits"

    workers: NotNegative | None = 1
    """Clips edited at once, each with a model of its own in memory. 0 edits them one by one in this process,
    without limits of time and memory."""
    clip_set: ClipSet = "test"
    """Which set of the Miniature's clips is edited: development, to choose settings on; test, for results;
    validation, to measure once more what was found on the other two. Strangers show objects, places and
    looks that the Miniature never saw, and have sets of their own; strangers is their test set."""
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
    flow: str | None = None
    """How the sources' motion is found, for editors that need it: dis or farneback (OpenCV), none (nothing is
    followed), a name that another package brings, or true (exact; the Miniature's clips only); default:
    dis."""
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
    window), tokens or no-tokens, vision=first or vision=none (which source frame the unshared tokens are read
    from; none leaves them out), plain-inversion (the source is inverted without the adaptor), and steady or
    steady=0.5 (edits are made steadier, as `edit` can). {clip} in it is the clip's name, as in
    own=runs/{clip}/adaptor: each clip has an adaptor of its own. {seed} is the random seed, so that each seed
    has one: ours=runs/ours-{seed}/adaptor. The name none stands for no adaptor, as in steadied=none,steady.
    Default: with=miniature on the packaged model, else no adaptor at all."""
    baseline: str | None = None
    """The editor with which `frameweave report` compares all others, such as tokenflow, or tokenflow:with for
    one of its arms; default: none."""


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

    clip_set: ClipSet = "development"
    """Which set of the Miniature's clips is edited; settings chosen on a test or validation set would
    spoil what these show later."""
    clips: Count = 16
    """Number of clips taken from --clip-set; not used with a table."""
    frames: Count = 4
    """Number of frames of each clip."""
    bands: tuple[str, ...] = ("0.9-1", "0.68-0.9", "0.3-0.68")
    """Timestep intervals whose strength is chosen one after the other, as shares of T, the number of training
    timesteps."""
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0)
    """LoRA strengths that are tried in each interval; 0 is always tried."""
    passes: Count = 1
    """How often all intervals are gone through. Further passes try each again beside what was chosen for the
    others, and end when nothing changes."""
    tokens: bool = True
    """Whether the adaptor's prompt tokens are tried too; --no-tokens leaves them off in these editors."""
    metrics: tuple[str, ...] = ("warp_error",)
    """Metrics that must improve; of several, the one that gains least counts."""
    guards: tuple[str, ...] = ("clip_score",)
    """Metrics that must not get worse: a choice may not lose more in one of them than its standard error."""
    out: Path = Path("runs/tune")
    """The run folder; the same command goes on where a run in it stopped."""


class ReportOptions(Settings):
    """Settings of `frameweave report`."""

    baseline: str | None = None
    """The editor with which all others are compared, clip by clip, such as tokenflow: each arm with the same
    arm of it. tokenflow:with compares all with that arm. Default: the one that the grid was given, if any."""
    primary: tuple[str, ...] = ()
    """A metric that was chosen before anything was measured, such as lpips_truth. Only these are tested and
    drawn then, and have a table of their own; default: all headline metrics are."""
    out: Path | None = None
    """The folder to write to; default: the first of the run folders."""


class StripOptions(Settings):
    """Settings of `frameweave strip`."""

    truth: InputPath | None = None
    """The perfect result, where it is known: a video, drawn below the edits."""
    name: tuple[str, ...] = ()
    """The title of an edit. Give it once for each edit, in their order; default: the editor's name for runs,
    the file's name for videos."""
    title: str = ""
    """What stands above the picture; default: the prompt of the runs, if any."""
    pictures: Count = 6
    """Number of frames drawn of each clip, evenly spread."""
    frames: Count | None = None
    """Take only this many frames of each clip, from the start; default: all."""
    line: Share = 0.5
    """Height of the line of pixels that the x-t slice follows: 0 is the top of the picture, 1 the bottom."""
    out: Path = Path("runs/strip.png")
    """The picture: a png or svg file."""
    overwrite: bool = False
    """Replace the file if it is there."""


class BenchOptions(Settings):
    """Settings of `frameweave bench`."""

    quick: bool = False
    """Fewer repetitions and shorter videos."""
    parts: tuple[BenchPart, ...] = ()
    """What to measure; default: all."""
    editors: tuple[str, ...] = ()
    """The editors to measure; default: all."""
    set: tuple[str, ...] = ()
    """Settings of the editors: name=value for all that have it, or editor.name=value for one."""
    lengths: tuple[Count, ...] = ()
    """Numbers of frames for part length; default: 16, 32, 64, 128 and 300, with quick 16 and 32."""
    sizes: tuple[Count, ...] = ()
    """Longer sides, in pixels, for part size; default: 64, 128 and 256, with quick 64 and 128."""
