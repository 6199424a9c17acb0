"""All that can go beside a model, at once and in every command that edits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from frameweave.cli.rerun import rerun
from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.generate import generate
from frameweave.editing.many import edit_many
from frameweave.editing.options import EditManyOptions, EditOptions, GenerateOptions
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video import probe
from frameweave.video.clip import Clip
from image_adapters import save_adapter
from style_loras import kohya, random_pairs, saved
from tiny import WIDTH

PROMPT = "a (red:1.3) car with <mood>, " * 4 + "BREAK [snow] <lights>"


@pytest.fixture
def beside(tiny: StableDiffusion, tiny_folder: Path, tmp_path: Path) -> dict[str, Any]:
    """Settings that name one of everything."""
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(tiny_folder, subfolder="vae"))
    vae.save_pretrained(tmp_path / "vae")
    pairs = random_pairs(tiny.unet, endings=("to_q", "to_v"))
    rng = torch.Generator().manual_seed(0)
    words = {name: torch.randn(n, WIDTH, generator=rng) for name, n in (("mood", 3), ("lights", 1))}
    Image.fromarray(np.arange(40 * 56 * 3, dtype=np.uint8).reshape(40, 56, 3)).save(tmp_path / "face.png")
    return {
        "image_prompt": (f"{tmp_path / 'face.png'}@0.6",),
        "image_adapter": str(save_adapter(tmp_path / "ip", tiny.unet)),
        "model": str(tiny_folder),
        "vae": str(tmp_path / "vae"),
        "lora": (f"{saved(kohya(pairs), tmp_path / 'style.safetensors')}@0.7",),
        "embedding": tuple(
            saved({"emb_params": vectors}, tmp_path / f"{name}.safetensors")
            for name, vectors in words.items()
        ),
        "sampler": "euler",
        "spacing": "trailing",
        "guidance_rescale": 0.3,
        "clip_skip": 2,
        "negative_prompt": "(night:1.2), <lights>",
        "preview": True,
        "device": "cpu",
    }


@pytest.fixture
def video(tmp_path: Path) -> Path:
    Clip.of(torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))).write(tmp_path / "clip.mp4")
    return tmp_path / "clip.mp4"


def repeated(folder: Path, out: Path) -> None:
    rerun(folder, "--out", str(out))


def test_an_edit_and_its_repetition(beside: dict[str, Any], video: Path, tmp_path: Path) -> None:
    options = EditOptions(**beside, editor="framewise", steps=3, out=tmp_path / "one", use_cache=False)
    (done,) = edit(video, [PROMPT], options)
    repeated(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two" / "edited.mp4").read_bytes() == done.video.read_bytes()
    fewer: list[dict[str, Any]] = [{"clip_skip": 1}, {"lora": ()}, {"vae": None}, {"sampler": "ddim"}]
    for number, other in enumerate([*fewer, {"image_prompt": (), "image_adapter": None}]):
        (another,) = edit(video, [PROMPT], options.replaced(out=tmp_path / f"fewer-{number}", **other))
        assert another.video.read_bytes() != done.video.read_bytes(), other


def test_a_clip_made_from_text(
    beside: dict[str, Any], video: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    own = {"sampler": "dpmpp_2m", "control": (f"canny={tiny_folder / 'controlnet'}@0.5:0-0.8",)}
    options = GenerateOptions(
        **beside | own, control_map=(f"canny={video}",), steps=12, frames=2, out=tmp_path / "one"
    )
    done = generate(PROMPT, options)
    assert probe(done.video).frames == 2 and (tmp_path / "one" / "preview.mp4").is_file()
    repeated(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two" / "generated.mp4").read_bytes() == done.video.read_bytes()


def test_a_table_of_edits(beside: dict[str, Any], video: Path, tmp_path: Path) -> None:
    table = tmp_path / "edits.csv"
    table.write_text(f'video,prompt,name\n{video.name},"{PROMPT}",a\n{video.name},a (blue:0.7) car,b\n')
    options = EditManyOptions(
        **beside, editor="framewise", steps=2, out=tmp_path / "many", workers=0, use_cache=False
    )
    done = edit_many(table, options)
    assert (done.done, done.failed) == (2, {})
    assert (tmp_path / "many" / "a" / "preview.mp4").is_file()


def test_a_comparison(beside: dict[str, Any], video: Path, tmp_path: Path) -> None:
    options = EditOptions(
        **beside | {"sampler": None, "spacing": None, "guidance_rescale": 0.0}, steps=2, out=tmp_path / "all"
    )
    compare(video, PROMPT, options.replaced(source_prompt="a [car]", use_cache=False, compare=True))
    assert {"framewise.mp4", "vid2vid_zero.mp4", "preview.mp4"} <= {
        path.name for path in (tmp_path / "all").iterdir()
    }
