"""The packaged model: whole, small, stock, and it knows its world."""

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from frameweave.diffusion.sampling import guided, sample
from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip
from frameweave.miniature.judge import packaged_judge
from frameweave.models.depth import load as load_depth
from frameweave.models.loading.choice import miniature_folder
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.runs.atomic import verify
from frameweave.video import probe
from frameweave.video.clip import Clip
from frameweave.world.clips import FRAMES, held_out_clips, stranger_clip
from frameweave.world.render import render
from frameweave.world.scene import Scenes, combinations, sample_scenes
from frameweave.world.strangers import stranger_combinations, stranger_scenes


@pytest.fixture(scope="module")
def miniature() -> StableDiffusion:
    return load("miniature", device="cpu")


def test_the_folder_is_whole_and_small() -> None:
    folder = miniature_folder()
    assert verify(folder) == []
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60 * 2**20
    assert {path.suffix for path in files} <= {".json", ".txt", ".safetensors"}


def test_it_is_an_ordinary_pipeline(miniature: StableDiffusion) -> None:
    """A stock pipeline loads the folder and gives our picture."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        miniature_folder(), safety_checker=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    x_T = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    prompt = "a red heart in the sky"
    expected = pipeline(
        prompt, latents=x_T, num_inference_steps=5, guidance_scale=4.0, output_type="pt"
    ).images
    states = miniature.conditioning(["", prompt])

    def eps(x: torch.Tensor, t: int) -> torch.Tensor:
        return guided(*miniature.predict(x, t, states), 4.0)

    ours = miniature.decode(sample(eps, x_T, miniature.schedule, 5))
    assert float((ours - expected).abs().max()) < 5e-3


def test_an_edit_changes_the_colour_and_keeps_the_sky_blue(miniature: StableDiffusion) -> None:
    held_out = held_out_clips()[0]
    source = Clip.read(held_out.path, frames=2)
    result = edit_clip(
        Framewise(steps=10),
        source,
        "a red car in the snow",
        miniature,
        source_prompt=held_out.caption,
        rng=torch.Generator(),
    )
    inside = held_out.rendered(2).frames[:, 2] > held_out.rendered(2).frames[:, 0] + 0.3  # the blue car
    red_minus_blue = result.frames[:, 0] - result.frames[:, 2]
    assert float(red_minus_blue[inside].mean()) > 0.2


def test_depth_of_a_bundled_clip(miniature: StableDiffusion) -> None:
    estimator = load_depth("miniature", device="cpu")
    assert estimator is not None and miniature.controlnet is not None
    clip = Clip.read(held_out_clips()[0].path, frames=4)
    car = held_out_clips()[0].rendered(4).frames
    inside = car[:, 2:] > car[:, :1] + 0.3
    depth = estimator.estimate(clip.frames)
    assert float(depth[inside].mean()) > float(depth[~inside].mean()) + 0.4


def test_bundled_clips_are_held_out_and_as_rendered() -> None:
    held_out = {tuple(row) for row in combinations("held-out").tolist()}
    strange = {tuple(row) for row in stranger_combinations("test").tolist()}
    for clip in [*held_out_clips(), stranger_clip()]:
        unseen = held_out if clip.path != stranger_clip().path else strange
        assert tuple(int(value) for value in clip.scene.attributes().values()) in unseen
        info = probe(Path(clip.path))
        assert (info.frames, info.has_audio) == (FRAMES, True)
        assert float((Clip.read(clip.path).frames - clip.rendered().frames).abs().mean()) < 0.02


@pytest.mark.parametrize(
    "scenes",
    [sample_scenes(200, seed=991, split="held-out"), stranger_scenes(200, seed=993, split="validation")],
    ids=["home", "strangers"],
)
def test_one_judge_knows_home_and_strangers(scenes: Scenes) -> None:
    frames = render(scenes, torch.full((200,), 5.3)).frames
    named, right = packaged_judge("stranger_judge").name(frames), scenes.attributes()
    shares = {name: float((named[name] == right[name]).float().mean()) for name in right}
    assert min(shares[name] for name in ("noun", "colour", "background")) > 0.98
    assert shares["style"] > 0.9  # a plain picture and a compressed one may look alike
