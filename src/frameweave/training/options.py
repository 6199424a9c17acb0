"""Settings of `frameweave train`, and where in the paper each comes from.

Nothing heavy is imported here, so that `--help` answers at once.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from frameweave.adaptor.options import BaseOptions
from frameweave.runs.settings import Count, FixedSeed, NotNegative, Only, Positive, Settings, Share


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]
_COMPARED = Only("temporal_mode", "frames", "noise", "both")
_WITH_TOKENS = Only("n_shared")


class NetworksOptions(BaseOptions):
    """Which model is trained for, and what steers it."""

    heading = "Model"

    controlnet: str | None = None
    """A depth ControlNet (folder or hub id); default: the model folder's own."""


class GroupsOptions(Settings):
    """The groups of frames."""

    heading = "Data"

    data: str = "world"
    """The training data: the Miniature's generated "world", shards that `frameweave data prepare` wrote, a
    folder of videos, each with captions in a .txt beside it, or with --every-frame a video too."""
    every_frame: bool = False
    """Take every run of frames of each video as a group, not one run of each."""
    shows: tuple[str, ...] = ()
    """A caption of all videos; it may be given several times; default: those beside each."""
    groups: Annotated[Count, Only("data", "world", other=Only("prior", "world"))] = 4096
    """Number of groups of frames that are drawn from the world; other data bring their own."""
    held_out: Count = 32
    """Number of groups that are not trained on: the held-out loss is measured on them."""
    frames: Count = 3
    """Number of frames in a group."""
    stride: Count = 1
    """Distance from one frame of a group to the next, in frames; 1 takes adjacent ones."""
    size: Count | None = None
    """Side of the training pictures in pixels; default: the model's own."""
    resize: Literal["crop", "squash"] = "crop"
    """How pictures become square: crop cuts out the centre, squash changes the shape."""
    prior: str | None = None
    """Data that the model knows already, mixed in so that it forgets less (prior preservation): "world" or a
    folder of videos with captions; default: none."""
    prior_share: Annotated[Share, Only("prior")] = 0.25
    """Share of the groups that come from --prior."""


class LoraOptions(Settings):
    """The LoRA."""

    heading = "LoRA"

    rank: Count = 4
    """Rank of the LoRA."""
    alpha: Positive | None = None
    """Alpha of the LoRA: its scale is alpha / rank; default: the rank, so that the scale is 1."""
    lora_blocks: str = "down"
    """Blocks of the UNet that get a LoRA: down, mid and up, joined by "+", or all."""
    lora_targets: Expression = r"attn[12]\.to_(q|k|v|out\.0)"
    """Regular expression for the names of the layers that get a LoRA within these blocks."""
    strength: Annotated[float, Field(ge=0, le=2)] = 0.5
    """Strength with which the finished LoRA acts in edits by default; it is trained at 1."""


class LossOptions(Settings):
    """The losses, and the noise that a group gets."""

    heading = "Loss and noise"

    temporal_mode: Literal["frames", "noise", "both", "none"] = "frames"
    """What the temporal loss compares: frames, neighbouring frames at one timestep (Eq. 3); noise, each frame
    at two timesteps; both; or none, no temporal loss."""
    temporal_reduce: Annotated[Literal["token", "map"], _COMPARED] = "token"
    """How features are compared (Eq. 2): token, the mean of each token's cosine similarity; map, one cosine
    similarity of the whole feature map."""
    temporal_match: Annotated[Literal["place", "flow"], Only("temporal_mode", "frames", "both")] = "place"
    """Which tokens of neighbouring frames the temporal loss compares: place, those at the same place; flow,
    those of the same content, found by optical flow, without occluded ones. The flow of the generated world
    is exact."""
    temporal_layers: Annotated[Expression, _COMPARED] = "decoder"
    """Self-attention layers whose outputs the temporal loss compares: "decoder" or a regular expression."""
    temporal_sum: Annotated[bool, _COMPARED] = True
    """Add up the temporal loss over the layers; --no-temporal-sum takes the mean."""
    temporal_norm: Annotated[Literal["valid", "T"], Only("temporal_mode", "frames", "both")] = "valid"
    """What Eq. 3 is divided by: valid, the number of its terms; T, the number of frames."""
    temporal_weight: Annotated[float, _COMPARED] = 0.01
    """Weight of the temporal loss (lambda of Eq. 9)."""
    temporal_range: Annotated[tuple[Share, Share], _COMPARED] = (0.9, 1.0)
    """Timestep interval in which the temporal loss counts: two shares of T, the number of timesteps."""
    first_order_weight: float = 0.0
    """Weight of 1 - similarity of neighbouring frames within the temporal loss, and so times its weight; 0 is
    none."""
    equivariance_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of a further loss: what is predicted in a picture that is moved, with its noise, shall be the
    moved prediction. It takes a second forward pass; 0 is none."""
    noise_sharing: Literal["shared", "mixed", "independent"] = "shared"
    """Which noise the frames of a group get: shared, the same; independent, each its own; mixed, partly the
    same."""
    noise_correlation: Annotated[Share, Only("noise_sharing", "mixed")] = 0.8
    """Correlation of the frames' noise when it is mixed; inverted latents of the Miniature have 0.8."""
    window: Literal["own", "equal-noise"] = "own"
    """How --t-range and --temporal-range are read: own, as timesteps; equal-noise, as those at which latents
    of 64 x 64 are as noisy as the ones trained on, which for smaller latents begin earlier."""
    t_range: tuple[Share, Share] = (0.9, 1.0)
    """Timestep interval that is trained: two shares of T, the number of timesteps."""


class TokensOptions(Settings):
    """The prompt tokens, and the text beside them."""

    heading = "Prompt tokens and text"

    n_shared: NotNegative = 4
    """Number of shared tokens: learned prompt tokens that are the same for every clip."""
    tokens_std: Annotated[float, Field(ge=0), _WITH_TOKENS] = 0.02
    """Standard deviation of the shared tokens before training; 0.1414 reads Eq. 4's 0.02 as a variance."""
    tokens_from: Annotated[str, _WITH_TOKENS] = ""
    """A word or a few that the shared tokens begin as, such as "star", with --tokens-std of noise added;
    default: noise alone."""
    tokens_form: Annotated[Literal["branch", "sequence"], _WITH_TOKENS] = "branch"
    """Where the tokens stand: branch, before the prompt and before the negative prompt; sequence, with both
    prompts in one sequence, as Eq. 8 is written."""
    vision_stride: Annotated[Count, _WITH_TOKENS] = 2
    """Step between the picture patches that become unshared tokens; 1 takes every patch."""
    vision_frame: Annotated[Literal["random", "own", "first"], _WITH_TOKENS] = "random"
    """Which frame the unshared tokens of a group are read from: own, each frame itself; first, the first;
    random, one at random."""
    vision_drop: Annotated[Share, _WITH_TOKENS] = 0.05
    """Share of the training batches without unshared tokens."""
    tokens_in_uncond: Annotated[bool, _WITH_TOKENS] = True
    """Whether the negative prompt gets the tokens too when editing."""
    token_mode: Annotated[Literal["mix", "replace", "always"], _WITH_TOKENS] = "mix"
    """How tokens and caption are joined in the LoRA stage: mix, tokens before the caption in --p-share of the
    batches; replace, tokens in place of the caption in as many; always, tokens before every caption."""
    p_share: Annotated[Share, _WITH_TOKENS, Only("token_mode", "mix", "replace")] = 0.3
    """Share of the training batches in which the tokens act; see --token-mode."""
    caption: NotNegative | None = None
    """Number of the caption that is always taken of a clip's captions, from 0, of clips that have fewer the
    last; default: one at random."""
    text_drop: Share = 0.1
    """Share of the captions that are left empty, as classifier-free guidance needs."""


class StagesOptions(Settings):
    """The stages, and how long each is trained."""

    heading = "Stages"

    stages: tuple[str, ...] = ("tokens", "lora")
    """The training stages of `frameweave train all`, in order: depth, tokens, lora."""
    train_tokens: Annotated[bool, _WITH_TOKENS] = True
    """Whether the LoRA stage trains the tokens further."""
    depth_control: bool = True
    """Whether the depth ControlNet steers the UNet while tokens and LoRA are trained."""
    controlnet_text: Annotated[Literal["text", "tokens"], Only("depth_control")] = "text"
    """What the ControlNet reads: text, the caption alone; tokens, the prompt tokens too. It does not train
    them."""
    steps: Count = 1000
    """Optimiser steps of the LoRA stage."""
    patience: NotNegative = 0
    """Stop the LoRA stage when the held-out loss has not fallen for so many measurements; 0 is never."""
    tokens_steps: Count = 1000
    """Optimiser steps of the token stage."""
    depth_steps: Count = 1000
    """Optimiser steps of the depth stage."""
    learning_rate: Positive = 3e-5
    """Learning rate of the LoRA stage."""
    tokens_learning_rate: Positive = 1e-4
    """Learning rate of the token stage."""
    depth_learning_rate: Positive = 1e-5
    """Learning rate of the depth stage."""


class OptimiserOptions(Settings):
    """The optimiser."""

    heading = "Optimiser"

    batch: Count = 1
    """Groups of a micro-step, over all processes together."""
    accumulate: Count = 8
    """Micro-steps before each optimiser step (gradient accumulation); as many as memory holds go through the
    networks together."""
    schedule: Literal["constant", "flat_cosine"] = "constant"
    """How the learning rate goes on after the warm-up."""
    warmup: NotNegative = 50
    """Optimiser steps in which the learning rate rises to its value."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of AdamW."""
    clip_norm: Positive = 1.0
    """Largest gradient norm; greater gradients are scaled down to it."""
    ema: Share = 0.99
    """Decay of the moving average (EMA) of the weights; the average is what is exported."""
    min_snr: Positive | None = None
    """Gamma of the min-SNR loss weights; default: no such weights. Without effect where the SNR is below
    gamma, as at timesteps above 0.9 T."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of training; auto is bf16 where it is native, else fp16 on GPUs and fp32 on CPUs."""
    checkpointing: bool = False
    """Gradient checkpointing: less memory, more time."""
    eight_bit: bool = False
    """8-bit AdamW; needs bitsandbytes."""


class TrainOptions(
    OptimiserOptions, StagesOptions, TokensOptions, LossOptions, LoraOptions, GroupsOptions, NetworksOptions
):
    """Settings of `frameweave train`."""

    heading = "Output"

    watch_every: Count = 100
    """Optimiser steps between measurements of the held-out loss."""
    norms_every: NotNegative = 50
    """Optimiser steps between measurements of each loss's gradient norm, which cost a backward pass each; 0
    is never."""
    preview_every: NotNegative = 0
    """Optimiser steps between preview pictures with and without the adaptor; 0 is never."""
    save_minutes: Annotated[float, Field(ge=0)] = 3.0
    """Minutes between checkpoints."""
    tensorboard: bool = False
    """Write TensorBoard events beside log.jsonl."""
    wandb: bool = False
    """Log to Weights & Biases too."""
    threads: Count | None = None
    """CPU threads; default: all cores."""
    seed: FixedSeed = 0
    """Random seed."""
    out: Path = Path("runs/train")
    """The run folder; a run in it with the same settings goes on."""

    @property
    def placed(self) -> "TrainOptions":
        """The same with the run folder's whole name, which may be made from the data's."""
        return self

    @property
    def common_noise(self) -> float:
        """The share of the noise's variance that the frames of a group have in common."""
        return {"shared": 1.0, "mixed": self.noise_correlation, "independent": 0.0}[self.noise_sharing]
