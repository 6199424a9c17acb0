"""Settings of prompts and samplers, for editing and making clips. Nothing heavy is imported here."""

from frameweave.diffusion.samplers.names import SamplerName, Spacing
from frameweave.runs.settings import Count, Seed, Settings, Share


class PromptOptions(Settings):
    """What a prompt does not say."""

    heading = "Prompt"

    negative_prompt: str = ""
    """What the video shall not show; default: nothing."""


class SamplingOptions(PromptOptions):
    """The editor, and how it samples. None means the editor's own default."""

    heading = "Editor"

    editor: str = "delta"
    """The editing algorithm; `frameweave editors` lists all."""
    steps: Count | None = None
    """Sampling steps; 25 is quick, 50 is usual; default: the editor's own, which is 25 (with
    the Miniature anchored, delta, flatten, framewise and shuffled take 10)."""
    guidance: float | None = None
    """Classifier-free guidance scale (CFG): 1 is none, higher follows the prompt more; default: the editor's
    own."""
    seed: Seed = 0
    """Random seed; -1 draws one and writes it to run.toml."""
    size: Count | None = None
    """Longer side, in pixels, at which the model works; default: the model's own. SDXL's own depends on the
    shape of the frames."""
    sampler: SamplerName | None = None
    """The sampler; default: ddim in editors that invert the source, else what the model's files name;
    `frameweave editors NAME` lists what an editor takes."""
    spacing: Spacing | None = None
    """How the sampler's timesteps are spread; default: as the model's files say."""
    eta: Share | None = None
    """Share of fresh noise in each step, for ddim and tcd only; default: 0 for ddim, 0.3 for tcd."""
    guidance_rescale: Share = 0.0
    """Take back the contrast that strong guidance adds (Lin et al., 2024): 0 leaves it, 0.7 is usual."""
    zero_snr: bool = False
    """Begin with pure noise (zero terminal SNR): for v-prediction models that were trained so but whose files
    do not say it. The spacing is trailing then, unless one is given."""
    set: tuple[str, ...] = ()
    """Settings of the editor itself, as name=value; `frameweave editors NAME` lists them."""
