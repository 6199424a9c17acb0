"""Settings of `frameweave train personal`: those of a training, with defaults for one's own clip."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frameweave.runs.places import slug
from frameweave.runs.settings import Count, NotNegative, Positive, Share
from frameweave.training.options import TrainOptions

_LONGEST = 40  # letters of the clip's name in that of the folder


class PersonalOptions(TrainOptions):
    """A LoRA alone, in all blocks, at all timesteps, on every frame, until held-out frames stop improving."""

    heading = "Output"

    every_frame: bool = True
    """Take every run of frames of each video as a group, not one run of each."""
    frames: Count = 1
    """Number of frames in a group."""
    temporal_mode: Literal["frames", "noise", "both", "none"] = "none"
    """What the temporal loss compares: frames, neighbouring frames at one timestep (Eq. 3); noise, each frame
    at two timesteps; both; or none, no temporal loss."""
    t_range: tuple[Share, Share] = (0.0, 1.0)
    """Timestep interval that is trained: two shares of T, the number of timesteps."""
    rank: Count = 8
    """Rank of the LoRA."""
    lora_blocks: str = "all"
    """Blocks of the UNet that get a LoRA: down, mid and up, joined by "+", or all."""
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Strength with which the finished LoRA acts in edits by default; it is trained at 1."""
    n_shared: NotNegative = 0
    """Number of shared tokens: learned prompt tokens that are the same for every clip."""
    depth_control: bool = False
    """Whether the depth ControlNet steers the UNet while tokens and LoRA are trained."""
    stages: tuple[str, ...] = ("lora",)
    """The training stages, in order: depth, tokens, lora."""
    steps: Count = 500
    """Optimiser steps of the LoRA stage at most; see --patience."""
    patience: NotNegative = 4
    """Stop the LoRA stage when the held-out loss has not fallen for so many measurements; 0 is never."""
    learning_rate: Positive = 2e-3
    """Learning rate of the LoRA stage."""
    batch: Count = 4
    """Groups of a micro-step, over all processes together."""
    accumulate: Count = 1
    """Micro-steps before each optimiser step (gradient accumulation); as many as memory holds go through the
    networks together."""
    warmup: NotNegative = 10
    """Optimiser steps in which the learning rate rises to its value."""
    ema: Share = 0.95
    """Decay of the moving average (EMA) of the weights; the average is what is exported."""
    watch_every: Count = 25
    """Optimiser steps between measurements of the held-out loss."""
    norms_every: NotNegative = 0
    """Optimiser steps between measurements of each loss's gradient norm, which cost a backward pass each; 0
    is never."""
    preview_every: NotNegative = 100
    """Optimiser steps between preview pictures with and without the adaptor; 0 is never."""
    out: Path = Path("runs/personal-{clip}")
    """The run folder; {clip} stands for the clip's name. A run in it with the same settings goes on."""

    @property
    def placed(self) -> "PersonalOptions":
        from frameweave.video.sequences import name_of_clip  # noqa: PLC0415 - av must not slow --help

        named = slug(name_of_clip(Path(self.data).absolute()), _LONGEST) or "clip"
        return self.replaced(out=Path(str(self.out).replace("{clip}", named)))
