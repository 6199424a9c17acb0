"""Settings of `frameweave data`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from frameweave.data.captions.edit_prompt import KINDS, Kind
from frameweave.data.plan import settings_hash
from frameweave.errors import InputError
from frameweave.runs.engines.options import EngineOptions
from frameweave.runs.settings import Count, InputPath, NotNegative, Positive, Settings, Share

Money = Annotated[float, Field(ge=0)]


class GroupSettings(Settings):
    """How groups of adjacent frames are chosen and how their pictures are stored."""

    heading = "Groups and pictures"

    frames: Count = 3
    """Frames of a group."""
    stride: Count = 1
    """Every how many frames of the clip; 1 means adjacent ones."""
    per_clip: Count = 8
    """Groups of a clip, at most; they share no frame, so a short clip gives fewer."""
    size: Count = 512
    """Side of the square pictures in pixels."""
    resize: Literal["crop", "squash"] = "crop"
    """The centre at the short side's scale, or everything squashed."""
    picture: Literal["jpg", "png", "webp"] = "jpg"
    """Format of the pictures."""
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Of jpg and webp, 1 to 100."""
    cut: Share = 0.12
    """Mean difference of two neighbours, in [0, 1], from which a cut is taken to lie between them."""
    still: Share = 0.0
    """Groups all of whose neighbours differ by no more than this are passed over: frozen pictures."""
    tries: Count = 4
    """Places that are tried for each group before it is given up."""
    seed: int = 0
    """Of the choice of groups."""

    @property
    def span(self) -> int:
        """Frames from the first of a group to its last."""
        return (self.frames - 1) * self.stride + 1


class ShardSettings(GroupSettings):
    """Everything that decides what a shard holds."""

    heading = "Depth"

    depth: Literal["auto", "own", "none"] = "auto"
    """The clip's own depth where it has some and else an estimator's; only its own; or none."""
    depth_model: str = "depth-anything/Depth-Anything-V2-Small-hf"
    """The estimator: the packaged "miniature", a folder, or a hub id."""
    depth_bits: Literal[8, 16] = 16
    """Of the depth's PNG files."""

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
    """Only the clips of this split: train, validate or test."""
    limit: Count | None = None
    """Only so many clips, from the start."""
    subset: Count | None = None
    """Only so many clips, drawn evenly from all categories."""


class PrepareOptions(ShardSettings, SourceOptions, EngineOptions):
    """Settings of `frameweave data prepare`."""

    heading = "Output"

    timeout: Positive | None = 120.0
    """Seconds after which decoding a clip is given up."""
    memory_gb: Positive | None = 4.0
    """Memory that decoding a clip may take."""
    device: str = "auto"
    """Where depth is estimated: auto, cpu, cuda or mps."""
    clips_per_shard: Count = 100
    """Clips of a shard, at most; shards of a split differ by one clip."""
    mode: Literal["resume", "retry-failed", "extend", "overwrite"] = "resume"
    """Go on; try clips again that failed; add the source's new clips; or start anew."""
    max_failure_rate: Share = 0.05
    """Share of clips that may give nothing before the run stops."""
    trust_sizes: bool = False
    """Take finished shards by their sizes, without taking their sums anew."""
    prompts: InputPath | None = None
    """Edit prompts that `frameweave data caption` wrote; they are kept with each group."""
    dry_run: bool = False
    """Only say what would be done."""
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
    """The words that the rules know."""
    seed: int = 0
    """Of what the rules choose."""
    dry_run: bool = False
    """Only say what would be sent, and what it would take."""
    price_in: Money | None = None
    """Money for a million tokens that the model reads."""
    price_out: Money | None = None
    """Money for a million tokens that the model writes."""
    max_tokens: NotNegative | None = None
    """Tokens after which the rules make the rest."""
    max_cost: Money | None = None
    """Money after which the rules make the rest."""
    concurrency: Count = 8
    """Questions at once."""
    attempts: Count = 5
    """Questions about one clip, at most."""
    answer_tokens: Count = 4096
    """Tokens of an answer, at most; models that think before they answer may need more."""
    timeout: Positive = 60.0
    """Seconds for a question and its whole answer."""
    allow_http: bool = False
    """Send key and captions unencrypted: for a server of your own network, http://192.168.1.5:8000/v1."""
    retry_failed: bool = False
    """Ask again about clips that the model refused or answered with nonsense."""
    cache: Path | None = None
    """The folder of kept answers; default: frameweave in the user's cache folder."""
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


class EncodeOptions(Settings):
    """Settings of `frameweave data encode`; they must be those of the training."""

    model: str = "miniature"
    """The packaged "miniature", a diffusers folder, or a hub id of a Stable Diffusion 1.x or 2.x model."""
    vision: str | None = None
    """A CLIP vision tower (folder or hub id); default: the model folder's own."""
    depth_model: str | None = None
    """A depth estimator (folder or hub id) as training is given it; default: the model folder's own."""
    size: Count | None = None
    """Side of the training pictures in pixels; default: the model's own."""
    resize: Literal["crop", "squash"] = "crop"
    """Short side scaled and the centre cut out, or squashed into the square."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


class ShowOptions(Settings):
    """Settings of `frameweave data show`."""

    groups: Count = 12
    """Groups on the sheet, spread over the data set."""
    split: str = ""
    """Only groups of this split."""
    seed: int = 0
    """Of the choice of groups."""
    out: Path = Path("runs/sheet")
    """The folder to write to."""
