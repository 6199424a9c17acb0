"""Settings of `frameweave train`, and where in the paper each comes from.

Nothing heavy is imported here, so that `--help` answers at once.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from frameweave.runs.settings import Count, NotNegative, Positive, Settings, Share


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]


class BaseOptions(Settings):
    """Which model is trained for."""

    heading = "Model"

    model: str = "miniature"
    """The packaged "miniature", a diffusers folder, or a hub id of a Stable Diffusion 1.x or 2.x model."""
    controlnet: str | None = None
    """A depth ControlNet (folder or hub id); default: the model folder's own."""
    depth_model: str | None = None
    """A depth estimator (folder or hub id); default: the model folder's own."""
    vision: str | None = None
    """A CLIP vision tower (folder or hub id); default: the model folder's own `clip`."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


class GroupsOptions(Settings):
    """The groups of frames."""

    heading = "Data"

    data: str = "world"
    """The Miniature's procedural "world", shards that `frameweave data prepare` wrote, or a folder of
    videos, each with captions in a .txt beside it."""
    groups: Count = 4096
    """How many groups of frames to draw from the world."""
    held_out: Count = 32
    """How many groups are kept for the held-out loss."""
    frames: Count = 3
    """Adjacent frames in a group."""
    stride: Count = 1
    """Frames from one of the group to the next."""
    size: Count | None = None
    """Side of the training pictures in pixels; default: the model's own."""
    resize: Literal["crop", "squash"] = "crop"
    """Short side scaled and the centre cut out, or squashed into the square."""


class LoraOptions(Settings):
    """The LoRA."""

    heading = "LoRA"

    rank: Count = 4
    """Rank of the LoRA."""
    alpha: Positive | None = None
    """LoRA scale numerator; default: the rank, so that the scale is 1."""
    lora_blocks: str = "down"
    """Blocks of the UNet with LoRA: down, mid, up joined by "+", or all."""
    lora_targets: Expression = r"attn[12]\.to_(q|k|v|out\.0)"
    """Regular expression of the adapted layers within a block."""
    strength: Annotated[float, Field(ge=0, le=2)] = 0.5
    """How strongly the finished LoRA acts by default; it is trained at 1."""


class LossOptions(Settings):
    """The losses, and the noise that a group gets."""

    heading = "Loss and noise"

    temporal_mode: Literal["frames", "noise", "both", "none"] = "frames"
    """Eq. 3 over frames at one timestep, over two timesteps of a pair, both, or neither."""
    temporal_reduce: Literal["token", "map"] = "token"
    """Cosine similarity (Eq. 2) per token and averaged, or of the whole feature map."""
    temporal_layers: Expression = "decoder"
    """Self-attentions whose outputs are compared: "decoder" or a regular expression."""
    temporal_sum: bool = True
    """Sum the loss over layers; otherwise their mean."""
    temporal_norm: Literal["valid", "T"] = "valid"
    """Divide Eq. 3 by the number of valid terms or by the number of frames."""
    temporal_weight: float = 0.01
    """lambda of Eq. 9."""
    temporal_range: tuple[Share, Share] = (0.9, 1.0)
    """Share of T in which the temporal term counts: two numbers."""
    first_order_weight: float = 0.0
    """Weight of an added term 1 - similarity."""
    noise_sharing: Literal["shared", "mixed", "independent"] = "shared"
    """Whether the frames of a group get the same noise, each its own, or a mixture of both."""
    noise_correlation: Share = 0.8
    """Correlation of neighbours' noise when it is mixed; inverted latents of the Miniature have 0.8."""
    t_range: tuple[Share, Share] = (0.9, 1.0)
    """Share of T from which timesteps are drawn: two numbers."""


class TokensOptions(Settings):
    """The prompt tokens, and the text beside them."""

    heading = "Prompt tokens and text"

    n_shared: NotNegative = 4
    """Number of shared tokens."""
    tokens_std: Annotated[float, Field(ge=0)] = 0.02
    """Standard deviation of the fresh shared tokens; 0.1414 reads Eq. 4's 0.02 as a variance."""
    tokens_form: Literal["branch", "sequence"] = "branch"
    """Tokens before the text of each guidance branch, or Eq. 8 to the letter: all in one sequence."""
    vision_stride: Count = 2
    """Every how many patches become unshared tokens."""
    vision_frame: Literal["random", "own", "first"] = "random"
    """Which frame of the group gives a frame its unshared tokens."""
    vision_drop: Share = 0.05
    """How often the unshared tokens are left out."""
    tokens_in_uncond: bool = True
    """Whether the negative branch gets the tokens too at inference."""
    token_mode: Literal["mix", "replace", "always"] = "mix"
    """With probability p_share tokens before the text, tokens in place of the text; or always both."""
    p_share: Share = 0.3
    """Probability with which the prompt is replaced."""
    caption: NotNegative | None = None
    """Always this one of a clip's captions, counted from 0; default: one at random."""
    text_drop: Share = 0.1
    """How often the text is empty, for guidance."""


class StagesOptions(Settings):
    """The stages, and how long each is trained."""

    heading = "Stages"

    stages: tuple[str, ...] = ("tokens", "lora")
    """What `frameweave train all` runs, in order: depth, tokens, lora."""
    train_tokens: bool = True
    """Whether the LoRA stage goes on training the tokens."""
    depth_control: bool = True
    """Whether the frozen depth ControlNet steers while training."""
    controlnet_text: Literal["text", "tokens"] = "text"
    """Whether the ControlNet reads the plain text or the tokens too (never with gradient)."""
    steps: Count = 1000
    """Optimiser steps of the LoRA stage."""
    tokens_steps: Count = 1000
    """Optimiser steps of the token stage."""
    depth_steps: Count = 1000
    """Optimiser steps of the depth stage."""
    learning_rate: Positive = 3e-5
    """Of the LoRA stage."""
    tokens_learning_rate: Positive = 1e-4
    """Of the token stage."""
    depth_learning_rate: Positive = 1e-5
    """Of the depth stage."""


class OptimiserOptions(Settings):
    """The optimiser."""

    heading = "Optimiser"

    batch: Count = 1
    """Groups in a forward pass, over all processes."""
    accumulate: Count = 8
    """Forward passes per optimiser step."""
    schedule: Literal["constant", "flat_cosine"] = "constant"
    """Learning rate after the warm-up."""
    warmup: NotNegative = 50
    """Optimiser steps of warm-up."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Of AdamW."""
    clip_norm: Positive = 1.0
    """Largest norm of the gradient."""
    ema: Share = 0.99
    """Decay of the weights' moving average, which is what is exported."""
    min_snr: Positive | None = None
    """Gamma of min-SNR weights; without effect inside the window, where the SNR is below 0.02."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of forward and backward; auto is bf16 where it is native, else fp16 on GPUs and fp32 on CPUs."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    eight_bit: bool = False
    """8-bit AdamW; needs bitsandbytes."""


class TrainOptions(
    OptimiserOptions, StagesOptions, TokensOptions, LossOptions, LoraOptions, GroupsOptions, BaseOptions
):
    """Settings of `frameweave train`."""

    heading = "Output"

    watch_every: Count = 100
    """Steps between held-out losses."""
    norms_every: NotNegative = 50
    """Steps between gradient norms of each loss term alone, which cost a backward pass each; 0 is never."""
    preview_every: NotNegative = 0
    """Steps between preview strips with and without the adaptor; 0 is never."""
    save_minutes: Annotated[float, Field(ge=0)] = 3.0
    """Minutes between checkpoints."""
    tensorboard: bool = False
    """Write tensorboard events beside log.jsonl."""
    wandb: bool = False
    """Log to Weights & Biases too."""
    threads: Count | None = None
    """CPU threads; default: all cores."""
    seed: int = 0
    """Seed of all random draws."""
    out: Path = Path("runs/train")
    """The run folder; a run in it with the same settings goes on."""

    @property
    def common_noise(self) -> float:
        """The share of the noise's variance that the frames of a group have in common."""
        return {"shared": 1.0, "mixed": self.noise_correlation, "independent": 0.0}[self.noise_sharing]


PROVENANCE = {
    "rank": "A.1; Eq. 1",
    "alpha": "Eq. 1 gives none; the rank, as in the published program",
    "lora_targets": "Eq. 1 says q, k, v; the output projection is in the published program",
    "lora_blocks": 'A.1: "the downsampling block"; the published program adapted all blocks',
    "strength": "A.2: integrated at 50 %; added while it runs, no weight is changed",
    "temporal_mode": "Eq. 3 compares frames; the published program two timesteps of a pair",
    "temporal_reduce": "Eq. 2 leaves it open; per token is what the program's comments intend",
    "temporal_layers": "section 3, (l, b) unspecified; the program took eight decoder self-attentions",
    "temporal_sum": "the program sums over layers, so lambda grows with their number",
    "temporal_norm": "Eq. 3 divides by T, but only T - 2 of its terms are defined",
    "temporal_weight": "A.1; Eq. 9, where L_lora is read as L_temporal",
    "temporal_range": "Eq. 9",
    "first_order_weight": "not in the paper; Eq. 3 alone is zero for any constant similarity",
    "noise_sharing": "not in the paper; with independent noise similarity measures the noise",
    "noise_correlation": "not in the paper; used by mixed noise only",
    "t_range": "A.1: only [0.9T, T] is sampled; Eq. 9 is defined for all t",
    "n_shared": "not given; 4 in the program's training, 8 in its tests",
    "tokens_std": "Eq. 4: N(0, 0.02), standard deviation as in the program, or variance",
    "tokens_form": "Eq. 8 joins all in one sequence, which leaves no guidance; the program does not",
    "tokens_in_uncond": "Eq. 8 does not say; the program gives them to both branches",
    "vision": "Eq. 5, which CLIP is not said; ViT-B/32 before the last norm in the program; L/14 works too",
    "vision_stride": "Eq. 6, s not given; 2 in the program's training, 1 in its tests",
    "vision_frame": "Eq. 5, which frame is not said; the program's own frame leaks the target",
    "vision_drop": "not in the paper; the usual remedy for over-reliance on picture tokens",
    "token_mode": "A.1 says replace; the program always concatenates",
    "p_share": "A.1",
    "caption": "A.3, not said; always the fourth of twenty in the program",
    "text_drop": "not in the paper; guidance needs it",
    "train_tokens": "A.1 trains in stages, Eq. 9 jointly",
    "stages": "A.1: ControlNet, tokens, LoRA; the program trains tokens and LoRA jointly",
    "depth_control": "section 3: depth while training, none needed at inference (A.2)",
    "controlnet_text": "not given; the program shows it the tokens too",
    "frames": "Eq. 3 needs 3; A.3 and the program have pairs",
    "size": "A.1: 512",
    "depth_model": "section 3, which is not said; DPT-Large in the program",
    "tokens_steps": "A.1: trained separately, how long is not said; a stub in the program",
    "depth_steps": "A.1 names the stage only; 10 epochs in the program",
    "tokens_learning_rate": "A.1 gives one rate, 3e-5",
    "depth_learning_rate": "not given; 5e-6 in the program, 1e-5 in ControlNet's recipe",
    "ema": "not in the paper; 0 exports the last weights",
    "steps": "A.1: 10 epochs; the program resamples 10,000 items an epoch",
    "learning_rate": "A.1; low for rank 4, 1e-4 is usual",
    "batch": "not given; from the program",
    "accumulate": "not given; from the program",
    "schedule": "not given; constant in the program",
    "warmup": "not given; 500 in the program, which its schedule ignored",
    "weight_decay": "not given; from the program",
    "clip_norm": "not given; from the program",
    "precision": "A.1: fp16",
    "resize": "A.1: 512 x 512; the program squashes",
    "stride": "A.3: adjacent; the program's depth pairs are two frames apart",
}
"""Where in the paper a setting comes from, and what its readings are; `--explain` prints it."""
