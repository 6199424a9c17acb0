"""What the three stages share: the noise prediction under tokens and depth, and the held-out batch."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.adaptor.tokens import PrefixTokens, concat_tokens
from frameweave.diffusion.losses import min_snr_weight, noise_loss
from frameweave.diffusion.sampling import noise_of
from frameweave.errors import ModelFolderError
from frameweave.models.control import embedded, residuals
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.training.batches import Batch
from frameweave.training.options import TrainOptions


@dataclass(eq=False)
class Denoiser:
    """Predicts the noise of a batch; what is trained in it is the stage's choice."""

    model: StableDiffusion
    options: TrainOptions
    tokens: PrefixTokens | None
    train_control: bool = False

    def __post_init__(self) -> None:
        networks: list[nn.Module] = [self.model.unet]
        if self.options.depth_control or self.train_control:
            if self.model.controlnet is None:
                raise ModelFolderError(
                    "depth_control is on, and the model has no depth ControlNet",
                    hint="name one with --controlnet, or give --no-depth-control",
                )
            networks.append(self.model.controlnet)
        for network in networks:
            network.requires_grad_(False)
            if self.options.checkpointing:
                network.enable_gradient_checkpointing()  # pyright: ignore

    def states(self, batch: Batch) -> Float[Tensor, "S PL D"]:
        """The text of each sample after the tokens, without them, or the tokens alone: see `token_mode`."""
        mode = self.options.token_mode
        if self.tokens is None or not (batch.replaced or mode == "always"):
            return batch.text
        prefix = self.tokens(batch.vision).expand(len(batch.text), -1, -1)
        if mode == "replace":
            return prefix
        if self.options.tokens_form == "sequence":
            empty = self.model.conditioning([""]).texts[0].to(batch.text)
            branches = torch.stack([empty.expand_as(batch.text), batch.text])
            return concat_tokens(prefix, branches, form="sequence")[0]
        return concat_tokens(prefix, batch.text[None])[0]

    def __call__(self, batch: Batch, states: Float[Tensor, "S PL D"]) -> Float[Tensor, "S C h w"]:
        extra: dict[str, object] = {}
        control = self.model.controlnet
        if self.options.depth_control or self.train_control:
            assert control is not None
            groups, levels, frames = batch.shape
            seen = states.detach() if self.options.controlnet_text == "tokens" else batch.text
            with torch.set_grad_enabled(self.train_control and torch.is_grad_enabled()):
                own = embedded(control, batch.depth).unflatten(0, (groups, 1, frames))
                features = own.expand(-1, levels, -1, -1, -1, -1).flatten(0, 2)
                extra = residuals(control, batch.x_t, batch.t, seen, features)
        x_t = batch.x_t.contiguous(memory_format=torch.channels_last)
        out = self.model.unet(x_t, batch.t, states, return_dict=False, **extra)[0].float()
        alpha_bar = self.model.schedule.alpha_bar[batch.t.cpu()].to(out)
        return noise_of(out, batch.x_t, alpha_bar[:, None, None, None], self.model.prediction)

    def noise_term(self, eps_hat: Float[Tensor, "S C h w"], batch: Batch) -> Tensor:
        """The noise part of Eq. 9, with min-SNR weights when asked for."""
        weight = None
        if self.options.min_snr is not None:
            alpha_bar = self.model.schedule.alpha_bar[batch.t.cpu()].to(batch.x_t.device)
            weight = min_snr_weight(alpha_bar, self.options.min_snr)
        return noise_loss(eps_hat, batch.eps, weight)
