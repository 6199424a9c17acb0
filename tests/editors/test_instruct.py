"""Text2Video-Zero by instruction, against the pipeline of diffusers with its cross-frame attention."""

from pathlib import Path

import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionInstructPix2PixPipeline
from diffusers.pipelines.deprecated.text_to_video_synthesis.pipeline_text_to_video_zero import (
    CrossFrameAttnProcessor,
)
from torch import nn

from frameweave.editors._parts.instruct import frame_noises
from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip, request_of
from frameweave.editors.text2video_zero import Text2VideoZero
from frameweave.errors import ModelFolderError
from frameweave.models.loading.load import load
from frameweave.models.seam import Latents
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from golden_cases import relative

STEPS, GUIDANCE, PICTURE = 5, 4.0, 1.3
EDITOR = Text2VideoZero(
    steps=STEPS, guidance=GUIDANCE, picture_guidance=PICTURE, variant="instruct", chunk_size=2
)


@pytest.fixture(scope="module")
def instruct(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> StableDiffusion:
    """The tiny model in float64, its UNet widened to see a picture's latents beside the noise."""
    model = load(str(tiny_folder), device="cpu", dtype="fp64")
    narrow = model.unet.conv_in
    wide = nn.Conv2d(8, narrow.out_channels, 3, padding=1, dtype=torch.float64)
    with torch.no_grad():
        wide.weight[:, :4] = narrow.weight
        wide.weight[:, 4:] *= 3
        wide.bias.copy_(narrow.bias)
    model.unet.conv_in = wide.requires_grad_(False)
    model.unet.register_to_config(in_channels=8)
    return model


def by_diffusers(model: StableDiffusion, frames: torch.Tensor, noises: list[Latents]) -> Latents:
    """Every frame looks at the first; `noises` are the draws, first the one to start from."""
    scheduler = EulerAncestralDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    pipeline = StableDiffusionInstructPix2PixPipeline(
        vae=model.vae,
        text_encoder=model.text.networks[0],
        tokenizer=model.tokenizer,
        unet=model.unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pending = iter(noises[1:])
    replayed = pytest.MonkeyPatch()
    replayed.setattr(
        "diffusers.schedulers.scheduling_euler_ancestral_discrete.randn_tensor",
        lambda *_, **__: next(pending),
    )
    before = dict(model.unet.attn_processors)
    model.unet.set_attn_processor(
        {
            name: CrossFrameAttnProcessor(batch_size=3) if "attn1" in name else processor
            for name, processor in before.items()
        }
    )
    try:
        return pipeline(
            ["make it snow"] * len(frames),
            image=frames.double(),
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            image_guidance_scale=PICTURE,
            latents=noises[0],
            output_type="latent",
        ).images
    finally:
        replayed.undo()
        model.unet.set_attn_processor(before)


def edited(
    model: StableDiffusion, frames: torch.Tensor, editor: Text2VideoZero = EDITOR, seed: int = 3, **others
):
    rng = torch.Generator().manual_seed(seed)
    return editor.edit(request_of(editor, frames.double(), model, prompt="make it snow", rng=rng, **others))


def test_as_published_the_noise_of_each_chunk_is_replayed(instruct: StableDiffusion, clip: Clip) -> None:
    editor, draws = EDITOR.replaced(as_published=True, chunk=4), dict[str, torch.Tensor]()
    for chunk in range(2):
        generator = torch.Generator().manual_seed(3)
        noises = [instruct.noise((4 - chunk, 4, 16, 16), generator) for _ in range(STEPS + 1)]
        draws[f"chunk{chunk}.initial_noise"] = noises[0]
        draws[f"chunk{chunk}.step_noise"] = torch.stack(noises[1:])
    replayed = edited(instruct, clip.frames, editor, seed=99, draws=draws)
    assert torch.equal(replayed, edited(instruct, clip.frames, editor, seed=3))


@pytest.mark.parametrize("frames", [1, 5])
def test_it_equals_diffusers(instruct: StableDiffusion, clip: Clip, frames: int) -> None:
    """In chunks of 2 frames here, in one batch there."""
    shape = (STEPS + 1, frames, 4, 16, 16)
    noises = torch.randn(shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    found = edited(
        instruct, clip.frames[:frames], draws={"initial_noise": noises[0], "step_noise": noises[1:]}
    )
    expected = by_diffusers(instruct, clip.frames[:frames], list(noises))
    assert relative(found, expected) < 1e-5


def test_as_published_every_chunk_starts_anew(instruct: StableDiffusion, clip: Clip) -> None:
    """Chunks of two new frames after the first one, which is thrown away; each from the seed."""
    editor = EDITOR.replaced(as_published=True, chunk=3)
    expected: list[torch.Tensor] = []
    for chosen in ([0, 0, 1], [0, 2, 3], [0, 4]):
        rng = torch.Generator().manual_seed(3)
        noises = [instruct.noise((len(chosen), 4, 16, 16), rng) for _ in range(STEPS + 1)]
        expected.append(by_diffusers(instruct, clip.frames[chosen], noises)[1:])
    assert relative(edited(instruct, clip.frames, editor), torch.cat(expected)) < 1e-5


def test_a_frame_does_not_depend_on_how_many_follow_or_on_the_batch(
    instruct: StableDiffusion, clip: Clip
) -> None:
    three = edited(instruct, clip.frames[:3])
    noise = next(frame_noises(instruct, torch.zeros(3, 4, 16, 16), torch.Generator().manual_seed(3)))
    again = next(frame_noises(instruct, torch.zeros(5, 4, 16, 16), torch.Generator().manual_seed(3)))
    assert torch.equal(noise, again[:3])
    assert relative(edited(instruct, clip.frames)[:3], three) < 1e-9
    assert relative(edited(instruct, clip.frames[:3], EDITOR.replaced(chunk_size=3)), three) < 1e-9


def test_it_goes_on_where_it_stopped(instruct: StableDiffusion, clip: Clip) -> None:
    class Stopped:
        kept: tuple[int, torch.Tensor] | None = None

        def earlier(self, rng: torch.Generator) -> tuple[int, torch.Tensor] | None:
            return self.kept

        def after(self, done: int, x: torch.Tensor, expected: torch.Tensor, rng: torch.Generator) -> None:
            if done == 2 and self.kept is None:
                self.kept = (done, x)
                raise KeyboardInterrupt

    keeper = Stopped()
    with pytest.raises(KeyboardInterrupt):
        edited(instruct, clip.frames, keeper=keeper)
    assert torch.equal(edited(instruct, clip.frames, keeper=keeper), edited(instruct, clip.frames))


def test_other_models_and_other_editors_are_refused(
    tiny: StableDiffusion, instruct: StableDiffusion, clip: Clip
) -> None:
    with pytest.raises(ModelFolderError, match="needs a model whose UNet sees the picture"):
        edit_clip(EDITOR, clip, "make it snow", tiny, rng=torch.Generator())
    with pytest.raises(ModelFolderError, match="edits by instruction"):
        edit_clip(Framewise(steps=2), clip, "make it snow", instruct, rng=torch.Generator())
