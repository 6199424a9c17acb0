"""The Miniature's depth: a ControlNet on the frozen UNet, and a small DPT that estimates depth."""

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from jaxtyping import Float
from torch import Tensor
from transformers import DPTConfig, DPTForDepthEstimation

from frameweave.miniature.denoiser import BATCH, SEED, DenoisingBatches, Latents, TextStates, mixed
from frameweave.models.stock import channels_last
from frameweave.world.grammar import captions
from frameweave.world.render import Rendered, render
from frameweave.world.scene import Scenes, Split, sample_scenes

HELD_OUT = 256
_FAR = 0.1  # the world's least inverse depth


def normalised(depth: Float[Tensor, "N 1 H W"], rng: np.random.Generator) -> Float[Tensor, "N 1 H W"]:
    """Depth as an estimator gives it for a clip: the farthest point is 0, the clip's nearest is 1.

    In a clip where the object comes closer, a frame's own nearest point lies below 1; a quarter
    of the frames are drawn so.
    """
    nearest = depth.amax((2, 3), keepdim=True)
    share = torch.from_numpy(rng.random((len(depth), 1, 1, 1)).astype("float32"))
    grows = torch.from_numpy(rng.random((len(depth), 1, 1, 1)) < 0.25)
    top = torch.where(grows, nearest + share * (1 - nearest), nearest)
    return (depth - _FAR) / (top - _FAR)


class ControlPart:
    """Noise prediction under a given depth; the UNet is frozen."""

    def __init__(
        self, unet: UNet2DConditionModel, train: Latents, held_out: Latents, text: TextStates
    ) -> None:
        torch.manual_seed(SEED)
        self.unet = channels_last(unet.requires_grad_(False).eval())
        self.module = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 32, 64))
        channels_last(self.module.requires_grad_(True))
        for network in (self.unet, self.module):
            network.set_attn_processor(AttnProcessor())
        self.batches = DenoisingBatches(train, text)
        self.held_out, self.text = held_out, text

    def _predict(self, x_t: Tensor, t: Tensor, states: Tensor, depth: Tensor) -> Tensor:
        picture = depth.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        down, mid = self.module(x_t, t, states, controlnet_cond=picture, return_dict=False)
        return self.unet(
            x_t,
            t,
            states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
            return_dict=False,
        )[0].float()

    def loss(self, step: int) -> dict[str, Tensor]:
        batch = self.batches(step)
        shown = self.batches.latents
        depth = render(shown.scenes[batch.index], shown.times[batch.index]).depth
        depth = normalised(depth, np.random.default_rng((SEED, step, 5)))
        error = self._predict(batch.x_t, batch.t, batch.states, depth) - batch.noise
        return {"noise": (batch.weight * (error**2).mean((1, 2, 3))).mean()}

    def watch(self) -> dict[str, float]:
        """Held-out loss with the right depth, and what a wrong depth costs."""
        count = min(256, len(self.held_out.x_0))
        t = torch.linspace(500, 990, count).long()
        noise = torch.randn(count, *self.held_out.x_0.shape[1:], generator=torch.Generator().manual_seed(11))
        x_t = mixed(self.held_out.x_0[:count].float(), noise, self.batches.alpha_bar[t])
        scenes: Scenes = self.held_out.scenes[:count]
        depth = render(scenes, self.held_out.times[:count]).depth
        depth = (depth - _FAR) / (depth.amax((2, 3), keepdim=True) - _FAR)
        states = self.text(captions(scenes, (12,), complete=True))

        def loss_with(shown: Tensor) -> float:
            return float(((self._predict(x_t, t, states, shown) - noise) ** 2).mean())

        right = loss_with(depth)
        return {"held_out": right, "depth_swap": loss_with(depth.roll(1, 0)) / right - 1}


def new_estimator() -> DPTForDepthEstimation:
    """Random weights of a small DPT on 64 x 64 pictures."""
    return DPTForDepthEstimation(
        DPTConfig(
            hidden_size=96,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=64,
            patch_size=8,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[24, 32, 48, 64],
            fusion_hidden_size=32,
            reassemble_factors=[2, 1, 0.5, 0.25],
            is_hybrid=False,
            use_auxiliary_head=False,
        )
    )


def _drawn(n: int, seed: tuple[int, ...], split: Split) -> Rendered:
    t = np.random.default_rng((*seed, 1)).uniform(0, 16, n).astype("float32")
    return render(sample_scenes(n, seed=seed, split=split), torch.from_numpy(t))


class EstimatorPart:
    """Absolute and gradient error of the world's exact inverse depth."""

    def __init__(self) -> None:
        torch.manual_seed(SEED)
        self.module = new_estimator()
        self.held_out = _drawn(HELD_OUT, (SEED, 10**9), "held-out")

    def _error(self, drawn: Rendered) -> Tensor:
        return self.module(drawn.frames * 2 - 1).predicted_depth[:, None].float() - drawn.depth

    def loss(self, step: int) -> dict[str, Tensor]:
        error = self._error(_drawn(BATCH, (SEED, step), "train"))
        across, down = error.diff(dim=3), error.diff(dim=2)
        return {"depth": error.abs().mean(), "edges": 0.5 * (across.abs().mean() + down.abs().mean())}

    def watch(self) -> dict[str, float]:
        error = self._error(self.held_out)
        found = (error + self.held_out.depth) > 0.48
        there = self.held_out.depth > 0.48
        overlap = (found & there).sum((1, 2, 3)) / (found | there).sum((1, 2, 3))
        return {"absolute_error": float(error.abs().mean()), "object_iou": float(overlap.mean())}
