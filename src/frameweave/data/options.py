"""Settings of `frameweave data`: one frozen dataclass each, from which flags are made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from frameweave.data.captions.edit_prompt import KINDS, Kind
from frameweave.data.shards.shard import ShardSettings
from frameweave.runs.engines.options import EngineOptions


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which clips of a source are taken."""

    layout: str = "auto"
    """How the source is laid out: auto, msrvtt, msrvtt-1k-a, folder, table or shards."""
    split: str = ""
    """Only the clips of this split: train, validate or test."""
    limit: int | None = None
    """Only so many clips, from the start."""
    subset: int | None = None
    """Only so many clips, drawn evenly from all categories."""


@dataclass(frozen=True, kw_only=True)
class PrepareOptions(ShardSettings, SourceOptions, EngineOptions):
    """Settings of `frameweave data prepare`."""

    timeout: float | None = 120.0
    """Seconds after which decoding a clip is given up."""
    memory_gb: float | None = 4.0
    """Memory that decoding a clip may take."""
    device: str = "auto"
    """Where depth is estimated: auto, cpu, cuda or mps."""
    clips_per_shard: int = 100
    """Clips of a shard, at most; shards of a split differ by one clip."""
    mode: Literal["resume", "retry-failed", "extend", "overwrite"] = "resume"
    """Go on; try clips again that failed; add the source's new clips; or start anew."""
    max_failure_rate: float = 0.05
    """Share of clips that may give nothing before the run stops."""
    trust_sizes: bool = False
    """Take finished shards by their sizes, without taking their sums anew."""
    prompts: Path | None = None
    """Edit prompts that `frameweave data caption` wrote; they are kept with each group."""
    dry_run: bool = False
    """Only say what would be done."""
    out: Path = Path("shards")
    """The folder to write to."""


@dataclass(frozen=True, kw_only=True)
class CaptionOptions:
    """Settings of `frameweave data caption`. Endpoint, model and key come from the environment."""

    rules: bool = False
    """Make the prompts by rules alone, without a model."""
    kinds: tuple[Kind, ...] = KINDS
    """What to change: a prompt for each of object, colour, background, style."""
    vocabulary: Literal["general", "miniature"] = "general"
    """The words that the rules know."""
    seed: int = 0
    """Of what the rules choose."""
    dry_run: bool = False
    """Only say what would be sent, and what it would take."""
    price_in: float | None = None
    """Money for a million tokens that the model reads."""
    price_out: float | None = None
    """Money for a million tokens that the model writes."""
    max_tokens: int | None = None
    """Tokens after which the rules make the rest."""
    max_cost: float | None = None
    """Money after which the rules make the rest."""
    concurrency: int = 8
    """Questions at once."""
    attempts: int = 5
    """Questions about one clip, at most."""
    timeout: float = 60.0
    """Seconds for a question and its whole answer."""
    retry_failed: bool = False
    """Ask again about clips that the model refused or answered with nonsense."""
    cache: Path | None = None
    """The folder of kept answers; default: frameweave in the user's cache folder."""
    out: Path = Path("runs/captions")
    """The folder to write to."""
    overwrite: bool = False
    """Replace the prompts of an earlier run in that folder."""


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """Settings of `frameweave data encode`; they must be those of the training."""

    model: str = "miniature"
    """The packaged "miniature", a diffusers folder, or a hub id of a Stable Diffusion 1.x or 2.x model."""
    vision: str | None = None
    """A CLIP vision tower (folder or hub id); default: the model folder's own."""
    depth_model: str | None = None
    """A depth estimator (folder or hub id) as training is given it; default: the model folder's own."""
    size: int | None = None
    """Side of the training pictures in pixels; default: the model's own."""
    resize: Literal["crop", "squash"] = "crop"
    """Short side scaled and the centre cut out, or squashed into the square."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Settings of `frameweave data show`."""

    groups: int = 12
    """Groups on the sheet, spread over the data set."""
    split: str = ""
    """Only groups of this split."""
    seed: int = 0
    """Of the choice of groups."""
    out: Path = Path("runs/sheet")
    """The folder to write to."""
