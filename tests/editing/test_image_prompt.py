"""Edits by pictures: the strength tells, the inversion stays, every editor takes them, beside an adaptor."""

from pathlib import Path

import pytest
import torch

from frameweave.adaptor.adaptor import Adaptor
from frameweave.editing.edit import edit
from frameweave.editing.generate import generate
from frameweave.editing.inputs import model_inputs
from frameweave.editing.inversions import setting_of
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.editors import registry
from frameweave.editors.running import edit_clip
from frameweave.errors import InputError
from frameweave.models.loading.load import load, load_chosen
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from frameweave.video.pictures import save_picture
from image_adapters import save_adapter
from networks import assert_same, networks


@pytest.fixture
def options(tiny: StableDiffusion, tiny_folder: Path, tmp_path: Path) -> EditOptions:
    for name, seed in (("a.png", 1), ("b.png", 2)):
        pixels = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(seed))
        save_picture(pixels, tmp_path / name)
    return EditOptions(
        model=str(tiny_folder),
        device="cpu",
        size=32,
        steps=2,
        use_cache=False,
        image_prompt=(f"{tmp_path / 'a.png'}@0.6",),
        image_adapter=str(save_adapter(tmp_path / "ip", tiny.unet)),
        out=tmp_path / "run",
        overwrite=True,
    )


def bytes_of(options: EditOptions, clip: Clip, folder: Path) -> bytes:
    if not (video := folder / "clip.mp4").exists():
        clip.write(video)
    (made,) = edit(video, ["a red car"], options)
    return made.video.read_bytes()


def test_the_picture_and_its_strength_tell(options: EditOptions, clip: Clip, tmp_path: Path) -> None:
    first = bytes_of(options, clip, tmp_path)
    assert bytes_of(options, clip, tmp_path) == first
    bare = bytes_of(options.replaced(image_prompt=(), image_adapter=None), clip, tmp_path)
    picture = options.image_prompt[0].partition("@")[0]
    assert bytes_of(options.replaced(image_prompt=(f"{picture}@0",)), clip, tmp_path) == bare != first
    half = bytes_of(options.replaced(image_prompt=(f"{picture}@0.6:0-0.5",)), clip, tmp_path)
    other = bytes_of(options.replaced(image_prompt=(f"{tmp_path / 'b.png'}@0.6",)), clip, tmp_path)
    assert len({first, bare, half, other}) == 4


def test_a_clip_from_text(options: EditOptions, tmp_path: Path) -> None:
    asked = GenerateOptions(
        model=options.model,
        device="cpu",
        size=32,
        steps=20,
        frames=2,
        image_prompt=options.image_prompt,
        image_adapter=options.image_adapter,
        out=tmp_path / "a",
    )
    shown = generate("a red car", asked).video.read_bytes()
    bare = asked.replaced(image_prompt=(), image_adapter=None, out=tmp_path / "b")
    assert generate("a red car", bare).video.read_bytes() != shown


@pytest.mark.parametrize("name", registry.names())
def test_every_editor_takes_them_and_leaves_the_network(name: str, options: EditOptions, clip: Clip) -> None:
    model, short = load_chosen(options.choice), clip.first(2)
    before = networks(model)

    def edited(model: StableDiffusion) -> torch.Tensor:
        depth, rng = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(9)), torch.Generator()
        editor = registry.make(name, {"steps": 2})
        return edit_clip(
            editor, short, "a red car", model, source_prompt="a car", depth=depth, rng=rng.manual_seed(0)
        ).frames

    found = edited(model)
    assert_same(before, networks(model))
    assert not torch.allclose(found, edited(model.inverse), atol=1e-3)


def test_beside_the_adaptors_tokens(options: EditOptions, adaptor: Adaptor) -> None:
    model = load_chosen(options.choice)
    x = torch.randn(1, 4, 16, 16)
    use = adaptor.use("framewise", tokens=True, T=model.schedule.T)

    def predicted(model: StableDiffusion) -> torch.Tensor:
        with adaptor.on(model, use) as both:
            seen = both.seen(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
            given = both.conditioning(["", "a red car"], negative=(0,))
            del seen
            return both.predict(x, 500, given)

    assert not torch.allclose(predicted(model), predicted(model.inverse), atol=1e-3)


def test_content_tells_not_names(options: EditOptions, tmp_path: Path) -> None:
    before, kept = model_inputs(options), setting_of(load_chosen(options.choice), options)
    picture = tmp_path / "a.png"
    moved = options.replaced(image_prompt=(f"{tmp_path / 'c.png'}@0.6",))
    (tmp_path / "c.png").write_bytes(picture.read_bytes())
    assert setting_of(load_chosen(moved.choice), moved) == kept
    picture.write_bytes((tmp_path / "b.png").read_bytes())
    after = model_inputs(options)
    changed = [name for name in before if before[name].digest != after[name].digest]
    assert changed == [f"image prompt {options.image_prompt[0]}"]
    assert setting_of(load_chosen(options.choice), options) != kept


def test_what_is_lacking_is_told_before_the_work(options: EditOptions, clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs an IP-Adapter"):
        bytes_of(options.replaced(image_adapter=None), clip, tmp_path)
    with pytest.raises(InputError, match="absent.png: no such picture"):
        bytes_of(options.replaced(image_prompt=("absent.png",)), clip, tmp_path)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="without a picture"):
        load(options.model, image_adapter=options.image_adapter)
