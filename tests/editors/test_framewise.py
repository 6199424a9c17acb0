"""The baseline against diffusers' schedulers, and what strength means."""

import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler

from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from tests_shared import SD


def test_it_is_inversion_and_sampling_by_diffusers(tiny: StableDiffusion, clip: Clip) -> None:
    inverse, forward = DDIMInverseScheduler(**SD, clip_sample=False), DDIMScheduler(**SD, clip_sample=False)
    x = tiny.encode(clip.frames)
    source, target = (tiny.conditioning([prompt]) for prompt in ("a blue duck", "a red car"))
    for scheduler, states in ((inverse, source), (forward, target)):
        scheduler.set_timesteps(5)
        for t in scheduler.timesteps.tolist():
            x = scheduler.step(tiny.predict(x, t, states)[0], t, x).prev_sample
    result = edit_clip(
        Framewise(steps=5, guidance=1.0),
        clip,
        "a red car",
        tiny,
        source_prompt="a blue duck",
        rng=torch.Generator(),
    )
    assert torch.allclose(result.frames, tiny.decode(x), atol=1e-4)


def test_frames_are_edited_alone(tiny: StableDiffusion, clip: Clip) -> None:
    editor = Framewise(steps=4)
    together = edit_clip(editor, clip, "a red car", tiny, rng=torch.Generator())
    last = edit_clip(editor, Clip.of(clip.frames[-1:]), "a red car", tiny, rng=torch.Generator())
    assert torch.allclose(together.frames[-1:], last.frames, atol=1e-4)


def test_less_strength_keeps_more_of_the_source(tiny: StableDiffusion, clip: Clip) -> None:
    vae_picture = tiny.decode(tiny.encode(clip.frames))
    distance = [
        float(
            (
                edit_clip(
                    Framewise(steps=10, strength=strength),
                    clip,
                    "a red car at night",
                    tiny,
                    source_prompt="a blue duck",
                    rng=torch.Generator(),
                ).frames
                - vae_picture
            )
            .abs()
            .mean()
        )
        for strength in (0.2, 1.0)
    ]
    assert distance[0] < distance[1]
