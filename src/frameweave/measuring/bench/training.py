"""Speed of training and of the adaptor, as ratios: the published way, the bare UNet, no adaptor."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.adaptor.lora import added_lora, pattern
from frameweave.adaptor.tokens import PrefixTokens
from frameweave.data.encoded import CachedGroups
from frameweave.diffusion.losses import noise_loss
from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip
from frameweave.measuring.bench.paired import Row, paired, row
from frameweave.models.features import collected
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.training.batches import Batch, Batches, position
from frameweave.training.denoising import Denoiser
from frameweave.training.low_rank import LowRank, timesteps_drawn
from frameweave.training.options import TrainOptions
from frameweave.video.clip import Clip, resized_frames
from frameweave.world.groups import WorldGroups
from frameweave.world.render import render_clip
from frameweave.world.scene import sample_scenes

# The published program's items: two frames, each at two timesteps, tokens before the text; a step
# has eight of them, which it takes one by one.
_OPTIONS = TrainOptions(
    frames=2, batch=8, accumulate=1, temporal_mode="noise", token_mode="always", vision_drop=0.0
)


def training_rows(repeats: int) -> Iterator[Row]:
    """One step of stage 3 on eight items (forward and backward) against others, in turns."""
    model = load(device="cpu")
    assert model.vision_tower is not None
    width = int(model.unet.config["cross_attention_dim"])
    tokens = PrefixTokens(4, width, model.vision_tower.width, stride=2, rng=torch.Generator().manual_seed(0))
    with (
        tempfile.TemporaryDirectory() as folder,
        added_lora(model.unet, rank=4, alpha=4, layers=pattern("down")) as lora,
    ):
        source = WorldGroups(_OPTIONS.batch, frames=2)
        groups = CachedGroups(source, model, None, Path(folder), model.native)
        batches = Batches(groups, model, _OPTIONS, (0.9, 1.0), timesteps_drawn(_OPTIONS))
        stage = LowRank(Denoiser(model, _OPTIONS, tokens), lora, batches, batches)
        single = _OPTIONS.replaced(batch=1)
        singles = Batches(groups, model, single, (0.9, 1.0), timesteps_drawn(single))
        taken = [source.group(position(k, len(source), _OPTIONS.seed)).frames for k in range(_OPTIONS.batch)]
        sized = [resized_frames(frames, (model.native, model.native)) for frames in taken]
        items = [torch.cat([frames] * batches.timesteps) for frames in sized]

        def ours() -> None:
            _sum(stage.loss(0)).backward()

        def published() -> None:
            for k, item in enumerate(items):
                (_published(stage, model, item, singles(k)) / len(items)).backward()

        def published_as_one_batch() -> None:
            _published(stage, model, torch.cat(items), batches(0)).backward()

        def bare() -> None:
            batch = batches(0)
            states = stage.denoiser.states(batch)
            noise_loss(model.unet(batch.x_t, batch.t, states, return_dict=False)[0], batch.eps).backward()

        yield row("training step: the published way over ours", paired(published, ours, repeats), ">= 1.5")
        ratio = paired(published_as_one_batch, ours, repeats)
        yield row("the same, its eight items as one batch", ratio, "for comparison")
        yield row("training step: ours over the bare UNet's", paired(ours, bare, repeats), "<= 1.25")
        alone = LowRank(stage.denoiser, lora, singles, singles)

        def together() -> None:
            torch.stack([_sum(terms) for terms in alone.losses(range(_OPTIONS.batch))]).sum().backward()

        def one_by_one() -> None:
            for k in range(_OPTIONS.batch):
                _sum(alone.loss(k)).backward()

        ratio = paired(one_by_one, together, repeats)
        yield row("training: eight micro-steps one by one over together", ratio, ">= 1.2")


def _sum(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def _published(stage: LowRank, model: StableDiffusion, frames: Tensor, batch: Batch) -> Tensor:
    """Each frame encoded and looked at once per timestep; gradient through the ControlNet."""
    assert stage.denoiser.tokens is not None
    x_0, a = model.encode(frames), model.schedule.alpha_bar[batch.t][:, None, None, None]
    x_t = a**0.5 * x_0 + (1 - a) ** 0.5 * batch.eps
    states = torch.cat([stage.denoiser.tokens(model.vision(frames)), batch.text], dim=1)
    groups, times, _frames = batch.shape
    picture = batch.depth.unflatten(0, (groups, 1, -1)).expand(-1, times, -1, 3, -1, -1).flatten(0, 2)
    down, mid = model.controls[0].network(x_t, batch.t, states, controlnet_cond=picture, return_dict=False)
    with collected(model.unet, stage.layers) as features:
        eps_hat = model.unet(
            x_t,
            batch.t,
            states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
            return_dict=False,
        )[0]
        maps = features.take()
    return F.mse_loss(eps_hat.float(), batch.eps) + _OPTIONS.temporal_weight * stage.temporal(maps, batch)


def adaptor_row(repeats: int, *, frames: int, steps: int) -> Row:
    """An edit with the adaptor in its window over the same edit without it."""
    model, adaptor = load(device="cpu"), load_adaptor("miniature")
    clip = Clip.of(render_clip(sample_scenes(1, seed=1), frames).frames)
    editor = Framewise(steps=steps)

    def plain() -> None:
        edit_clip(editor, clip, "a red duck in the snow", model, rng=torch.Generator().manual_seed(0))

    def adapted() -> None:
        with adaptor.on(model, adaptor.use(tokens=False)) as adapted_model:
            edit_clip(
                editor, clip, "a red duck in the snow", adapted_model, rng=torch.Generator().manual_seed(0)
            )

    name = f"{steps}-step edit: with the adaptor over without"
    return row(name, paired(adapted, plain, repeats), "<= 1.03")
