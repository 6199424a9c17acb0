"""Stage 2: the shared tokens and the projection of the unshared ones (Eqs. 4, 7), with a frozen UNet."""

from dataclasses import dataclass

from torch import Tensor, nn

from frameweave.training.batches import Batches
from frameweave.training.denoising import Denoiser


@dataclass(eq=False)
class SharedTokens:
    """Plain denoising under [shared | unshared | text], the text dropped now and then."""

    denoiser: Denoiser
    batches: Batches
    held_out: Batches

    def __post_init__(self) -> None:
        assert self.denoiser.tokens is not None
        self.module: nn.Module = nn.ModuleDict({"tokens": self.denoiser.tokens.requires_grad_(True)})

    def loss(self, step: int) -> dict[str, Tensor]:
        batch = self.batches(step)
        states = self.denoiser.states(batch)
        return {"noise": self.denoiser.noise_term(self.denoiser(batch, states), batch)}

    def watch(self) -> dict[str, float]:
        """The noise loss on held-out groups at fixed noise, with the tokens and with the text alone."""
        with_tokens = without = 0.0
        count = len(self.held_out.groups) // self.held_out.options.batch
        for step in range(count):
            batch = self.held_out(step)
            states = self.denoiser.states(batch)
            with_tokens += float(self.denoiser.noise_term(self.denoiser(batch, states), batch)) / count
            without += float(self.denoiser.noise_term(self.denoiser(batch, batch.text), batch)) / count
        return {"held_out": with_tokens, "held_out_text_only": without}
