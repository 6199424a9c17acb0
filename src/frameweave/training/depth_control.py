"""Stage 1: the depth ControlNet, trained from the model's own or else from the UNet's encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from frameweave.training.batches import Batches, joined
from frameweave.training.denoising import Denoiser


@dataclass(eq=False)
class DepthControl:
    """Plain denoising under a given depth at all timesteps; the UNet is frozen."""

    denoiser: Denoiser
    batches: Batches
    held_out: Batches

    def __post_init__(self) -> None:
        assert self.denoiser.model.controlnet is not None
        self.module: nn.Module = nn.ModuleDict(
            {"controlnet": self.denoiser.model.controlnet.requires_grad_(True)}
        )

    def loss(self, step: int) -> dict[str, Tensor]:
        return self.losses([step])[0]

    def losses(self, steps: Sequence[int]) -> list[dict[str, Tensor]]:
        batches = [self.batches(step) for step in steps]
        sizes, whole = [len(batch.x_t) for batch in batches], joined(batches)
        parts = self.denoiser(whole, whole.text).split(sizes)
        return [
            {"noise": self.denoiser.noise_term(eps_hat, batch)}
            for eps_hat, batch in zip(parts, batches, strict=True)
        ]

    def watch(self) -> dict[str, float]:
        """The held-out noise loss at fixed noise and timesteps."""
        count = self.held_out.count
        losses = [
            self.denoiser.noise_term(self.denoiser(batch, batch.text), batch)
            for batch in map(self.held_out, range(count))
        ]
        return {"held_out": sum(map(float, losses)) / count}
