"""The time of a whole edit over the bare network calls that it makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from frameweave.editors import registry, running
from frameweave.measuring.bench.paired import Row, paired, row
from frameweave.models.control.asked import DEPTH
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from frameweave.world.render import render_clip
from frameweave.world.scene import sample_scenes


def editing_row(
    model: StableDiffusion,
    name: str,
    settings: Mapping[str, object],
    *,
    steps: int,
    frames: int,
    repeats: int,
) -> Row:
    """An edit, measured in turns with the calls of the UNet that were counted while it ran once."""
    clip = Clip.of(render_clip(sample_scenes(1, seed=1), frames).frames)
    editor = registry.make(name, {"steps": steps, **settings})
    depth = torch.rand(frames, 1, 64, 64) if editor.needs_depth else None

    def edit() -> None:
        running.edit_clip(
            editor,
            clip,
            "a red duck in the snow",
            model,
            source_prompt="a blue duck in the snow",
            depth=depth,
            rng=torch.Generator().manual_seed(0),
        )

    calls = network_calls(model, edit)
    x = model.encode(clip.frames[:1])
    text = ["a red duck in the snow"]
    plain = model.conditioning(text)
    steered = plain if depth is None else model.conditioning(text, Guides(maps={DEPTH: depth[:1]}))
    t = model.schedule.timesteps(steps)[0]

    def bare() -> None:
        for call in calls:
            with torch.set_grad_enabled(call.backward):
                batch = x.expand(call.frames, -1, -1, -1).clone().requires_grad_(call.backward)
                conditioning = steered if call.controlnet else plain
                eps = model.predict(batch, t, conditioning.of([0] * call.frames))
                if call.backward:
                    torch.autograd.grad(eps.sum(), batch)

    total = sum(call.frame_forwards for call in calls)
    return row(f"{name}: edit over its {total} bare frame-forwards", paired(edit, bare, repeats), "<= 1.10")


@dataclass(frozen=True)
class Call:
    """One call of the UNet."""

    frames: int
    controlnet: bool
    """Whether a ControlNet steers it."""
    backward: bool
    """Whether a backward pass follows."""

    @property
    def frame_forwards(self) -> int:
        """A backward pass counts as two more."""
        return self.frames * (3 if self.backward else 1)


def network_calls(model: StableDiffusion, edit: Callable[[], None]) -> list[Call]:
    """The calls of the UNet in one edit, in their order."""
    calls: list[Call] = []

    def counted(
        _module: object,
        inputs: tuple[Tensor, object, Tensor],
        named: Mapping[str, object],
        out: tuple[Tensor],
    ) -> None:
        controlnet = named.get("down_block_additional_residuals") is not None
        calls.append(Call(len(inputs[0]), controlnet, backward=out[0].requires_grad))

    hook = model.unet.register_forward_hook(counted, with_kwargs=True)
    try:
        edit()
    finally:
        hook.remove()
    return calls
