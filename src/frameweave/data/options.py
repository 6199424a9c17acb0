"""Settings of `frameweave data`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from frameweave.adaptor.options import BaseOptions
from frameweave.data.captions.edit_prompt import KINDS, Kind
from frameweave.data.plan import settings_hash
from frameweave.errors import InputError
from frameweave.runs.engines.options import EngineOptions
from frameweave.runs.settings import Count, FixedSeed, InputPath, NotNegative, Positive, Settings, Share

Money = Annotated[float, Field(ge=0)]


class GroupSettings(Settings):
    """How groups of adjacent frames are chosen and how their pictures are stored."""

    heading = "Groups and pictures"

    frames: Count = 3
    """Number of frames in a group."""
    stride: Count = 1
    """Distance from one frame of a group to the next, in frames; 1 takes adjacent ones."""
    per_clip: Count = 8
    """Largest number of groups from a clip; groups share no frame, so a short clip gives fewer."""
    size: Count = 512
    """Side of the square pictures in pixels."""
    resize: Literal["crop", "squash"] = "crop"
    """How pictures become square: crop cuts out the centre, squash changes the shape."""
    picture: Literal["jpg", "png", "webp"] = "jpg"
    """File format of the pictures."""
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Quality of jpg and webp pictures; 100 is best."""
    cut: Share = 0.12
    """Mean pixel difference of neighbouring frames above which a cut is taken to lie between them; 1 is black
    to white."""
    still: Share = 0.0
    """Mean pixel difference of neighbouring frames up to which a group counts as a still and is left out."""
    tries: Count = 4
    """Number of places tried for each group before it is given up."""
    seed: FixedSeed = 0
    """Random seed of the choice of groups."""

    @property
    def span(self) -> int:
        """Frames from the first of a group to its last."""
        return (self.frames - 1) * self.stride + 1


class ShardSettings(GroupSettings):
    """Everything that decides what a shard holds."""

    heading = "Depth"

    depth: Literal["auto", "own", "none"] = "auto"
    """Where depth comes from: auto, the clip's own, else an estimator's; own, only the clip's own; none, no
    depth."""
    depth_model: str = "depth-anything/Depth-Anything-V2-Small-hf"
    """The depth estimator: the packaged "miniature", a folder, or a hub id."""
    depth_bits: Literal[8, 16] = 16
    """Bits per pixel of the depth files (PNG)."""

    @property
    def hash(self) -> str:
        """A short name of these settings."""
        return settings_hash(self.table())


class SourceOptions(Settings):
    """Which clips of a source are taken."""

    heading = "Source"

    layout: str = "auto"
    """How the source is laid out: auto, msrvtt, msrvtt-1k-a, folder, table or shards."""
    split: str = ""
    """Take only the clips of this split: train, validate or test; default: all."""
    limit: Count | None = None
    """Take only this many clips, from the start; default: all."""
    subset: Count | None = None
    """Take only this many clips, drawn evenly from all categories; default: all."""


class PrepareOptions(ShardSettings, SourceOptions, EngineOptions):
    """Settings of `frameweave data prepare`."""

    heading = "Output"

    timeout: Positive | None = 120.0
    """Time limit for decoding one clip, in seconds."""
    memory_gb: Positive | None = 4.0
    """Memory limit for decoding one clip, in GB."""
    device: str = "auto"
    """Where depth is estimated: auto, cpu, cuda or mps; auto takes a GPU if there is one."""
    clips_per_shard: Count = 100
    """Largest number of clips in a shard; shards of a split differ by at most one clip."""
    mode: Literal["resume", "retry-failed", "extend", "overwrite"] = "resume"
    """What happens with an earlier run in the folder: resume goes on; retry-failed also tries failed clips
    again; extend adds the source's new clips; overwrite starts anew."""
    max_failure_rate: Share = 0.05
    """Share of failed clips above which the run stops."""
    trust_sizes: bool = False
    """Accept finished shards by their file sizes, without checking their SHA-256 sums."""
    prompts: InputPath | None = None
    """The edit prompts that `frameweave data caption` wrote; they are stored with each group."""
    dry_run: bool = False
    """Say what would be done, and write nothing."""
    out: Path = Path("shards")
    """The folder to write to."""


class CaptionOptions(Settings):
    """Settings of `frameweave data caption`. Endpoint, model and key come from the environment."""

    heading = "Prompts"

    rules: bool = False
    """Make the prompts by rules alone, without a model."""
    kinds: tuple[Kind, ...] = KINDS
    """What to change: a prompt for each of object, colour, background, style."""
    vocabulary: Literal["general", "miniature"] = "general"
    """The word list of the rules."""
    seed: FixedSeed = 0
    """Random seed of what the rules choose."""
    dry_run: bool = False
    """Say what would be sent, and what it would take in tokens and money; send nothing."""
    price_in: Money | None = None
    """Price of a million tokens that the model reads."""
    price_out: Money | None = None
    """Price of a million tokens that the model writes."""
    max_tokens: NotNegative | None = None
    """Limit of tokens; the rules make the rest of the prompts."""
    max_cost: Money | None = None
    """Limit of cost, in the currency of the prices; the rules make the rest of the prompts."""
    concurrency: Count = 8
    """Number of questions sent at once."""
    attempts: Count = 5
    """Largest number of questions about one clip."""
    answer_tokens: Count = 4096
    """Largest number of tokens in an answer; models that reason before they answer may need more."""
    timeout: Positive = 60.0
    """Time limit for a question and its whole answer, in seconds."""
    allow_http: bool = False
    """Send key and captions unencrypted, to a server in your own network such as http://192.168.1.5:8000/v1."""
    retry_failed: bool = False
    """Ask again about clips where the model refused or gave an unusable answer."""
    cache: Path | None = None
    """The folder where answers are kept; default: frameweave in the user's cache folder."""
    out: Path = Path("runs/captions")
    """The folder to write to."""
    overwrite: bool = False
    """Replace the prompts of an earlier run in that folder."""

    @model_validator(mode="after")
    def _kinds_and_prices(self) -> "CaptionOptions":
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise InputError("no kinds, or one of them twice", hint="give each of --kinds once")
        if (self.price_in is None) != (self.price_out is None):
            raise InputError("only one of two prices", hint="give --price-in and --price-out")
        if self.max_cost is not None and self.price_in is None:
            raise InputError("a limit of cost without prices", hint="give --price-in and --price-out too")
        return self


class CaptionSourceOptions(CaptionOptions, SourceOptions):
    """Settings of `frameweave data caption` with those that say which clips it takes."""


class EncodeOptions(BaseOptions):
    """Settings of `frameweave data encode`; they must be those of the training."""

    heading = "Pictures"

    size: Count | None = None
    """Side of the training pictures in pixels; default: the model's own."""
    resize: Literal["crop", "squash"] = "crop"
    """How pictures become square: crop cuts out the centre, squash changes the shape."""


class ShowOptions(Settings):
    """Settings of `frameweave data show`."""

    groups: Count = 12
    """Number of groups on the sheet, spread over the data set."""
    split: str = ""
    """Show only groups of this split, such as train; default: all."""
    seed: FixedSeed = 0
    """Random seed of the choice of groups."""
    out: Path = Path("runs/sheet")
    """The folder to write to."""
