"""Edits with LoRAs and textual inversions, from file to file on the tiny model."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from frameweave.editing.edit import edit
from frameweave.editing.generate import generate
from frameweave.editing.many import edit_many
from frameweave.editing.options import EditManyOptions, EditOptions, GenerateOptions
from frameweave.errors import FrameweaveError, InputError, RunError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes
from frameweave.runs.run import read_run
from style_loras import earlier_diffusers, kohya, peft, random_pairs, saved, summed
from tiny import new_adaptor
from videos import colour_ramp, write_video


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditOptions:
    return EditOptions(
        model=str(tiny_folder),
        device="cpu",
        editor="framewise",
        steps=2,
        out=tmp_path / "run",
        cache=tmp_path / "cache",
    )


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", colour_ramp(2, (32, 32)))


@pytest.fixture
def style(tiny: StableDiffusion, tmp_path: Path) -> str:
    pairs = random_pairs(tiny.unet, endings=("to_q", "to_v"))
    return saved(kohya(pairs), tmp_path / "style.safetensors")


@pytest.fixture
def made(video: Path, options: EditOptions, tmp_path: Path) -> Callable[..., bytes]:
    """The bytes of an edit with some settings."""
    number = iter(range(100))

    def made(prompt: str = "a red car", **settings: object) -> bytes:
        own = options.replaced(out=tmp_path / f"run{next(number)}", **settings)
        return edit(video, [prompt], own)[0].video.read_bytes()

    return made


@pytest.mark.parametrize("with_adaptor", [False, True])
def test_layouts_and_the_merged_folder_give_the_same_edit(
    tiny: StableDiffusion,
    tiny_folder: Path,
    tmp_path: Path,
    made: Callable[..., bytes],
    with_adaptor: bool,
) -> None:
    beside: dict[str, object] = {}
    if with_adaptor:
        new_adaptor(tiny).save(tmp_path / "adaptor")
        beside = {"adaptor": str(tmp_path / "adaptor"), "adaptor_strength": 0.5}
    pairs = random_pairs(tiny.unet, endings=("to_q", "to_k", "to_v", "to_out.0"))
    shutil.copytree(tiny_folder, tmp_path / "merged")
    summed(tiny.unet, pairs).save_pretrained(tmp_path / "merged" / "unet")  # pyright: ignore
    expected = made(model=str(tmp_path / "merged"), **beside)
    for index, tensors in enumerate((kohya(pairs), peft(pairs), peft(pairs, ""), earlier_diffusers(pairs))):
        assert made(lora=(saved(tensors, tmp_path / f"{index}.safetensors"),), **beside) == expected
    assert made(**beside) != expected


def test_a_share_of_the_timesteps_and_strength_zero(made: Callable[..., bytes], style: str) -> None:
    plain, whole = made(), made(lora=(style,))
    early = made(lora=(style + "@1:0-0.6",))
    assert len({plain, whole, early}) == 3
    assert made(lora=(style + "@0",)) == plain
    assert made(lora=(style + "@1:0-1",)) == whole
    assert made(lora=(style + "@1:0-0.6",)) == early  # from the kept inversion


def test_what_was_used_stands_in_the_run_file(options: EditOptions, video: Path, style: str) -> None:
    edit(video, ["a red car"], options.replaced(lora=(style + "@0.5",)))
    assert options.out is not None
    record = read_run(options.out)
    assert record.settings["lora"] == [style + "@0.5"]
    with pytest.raises(RunError):  # the same command, and another file by now
        shutil.copy(
            saved({"x.lora_up.weight": torch.ones(1, 1)}, Path(style).with_name("b.safetensors")), style
        )
        edit(video, ["a red car"], options.replaced(lora=(style + "@0.5",)))


def test_wrong_ones_are_told_before_a_run_folder_is_made(
    options: EditOptions, video: Path, tmp_path: Path
) -> None:
    other = saved({"emb_params": torch.ones(1, 768)}, tmp_path / "other.safetensors")
    for settings in ({"lora": ("missing.safetensors",)}, {"lora": (other,)}, {"embedding": (other,)}):
        with pytest.raises(FrameweaveError):
            edit(video, ["a red car"], options.replaced(**settings))
        assert options.out is not None and not options.out.exists()
    for settings in ({"lora": ("a@0,5",)}, {"lora": ("a@99",)}, {"embedding": ("=a",)}):
        with pytest.raises(InputError):
            options.replaced(**settings)


def test_a_textual_inversion_in_the_negative_prompt(
    made: Callable[..., bytes], options: EditOptions, video: Path, tmp_path: Path
) -> None:
    file = saved({"emb_params": torch.randn(2, 16)}, tmp_path / "bad-cars.safetensors")
    plain, with_word = made(negative_prompt="bad-cars"), made(negative_prompt="bad-cars", embedding=(file,))
    assert plain != with_word
    assert made(negative_prompt="<Bad-Cars>", embedding=(file,)) == with_word
    assert made(negative_prompt="(bad-cars:1.5)", embedding=(file,)) != with_word
    notes = Notes()
    edit(video, ["a red car"], options.replaced(embedding=(file,)), progress=notes)
    assert any("no prompt has the word 'bad-cars'" in text for text in notes.texts)


def test_generate_and_edit_many_take_them(
    options: EditOptions, video: Path, style: str, tmp_path: Path, tiny_folder: Path
) -> None:
    file = saved({"emb_params": torch.randn(2, 16)}, tmp_path / "ink.safetensors")
    shared = {"model": str(tiny_folder), "device": "cpu", "lora": (style,), "embedding": (file,)}
    asked = GenerateOptions(frames=2, steps=17, out=tmp_path / "made", **shared)
    assert generate("an ink car", asked).video.is_file()
    table = tmp_path / "edits.csv"
    table.write_text(f"video,prompt\n{video},an ink car\n")
    many = EditManyOptions(steps=2, out=tmp_path / "many", workers=0, cache=options.cache, **shared)
    assert edit_many(table, many).failed == {}
