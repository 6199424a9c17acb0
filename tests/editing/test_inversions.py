"""Kept inversions: found again, mapped when large, never served for something else, never half written."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from frameweave.diffusion.inversion import Remembered, Trajectory
from frameweave.editing.inversions import InversionStore, setting_of
from frameweave.editing.options import EditOptions
from frameweave.editors import registry
from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip
from frameweave.errors import RunError
from frameweave.models.loras.merging import loras
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from style_loras import kohya, random_pairs, saved
from tiny import new_adaptor


def trajectory(seed: int = 0) -> Trajectory:
    rng = torch.Generator().manual_seed(seed)
    return Trajectory([1, 501], torch.randn(3, 2, 4, 5, 5, generator=rng))


def same(a: Trajectory | None, b: Trajectory) -> bool:
    return a is not None and a.timesteps == b.timesteps and torch.equal(a.latents, b.latents)


@pytest.mark.parametrize("in_memory", [0, 2**30])
def test_kept_and_recalled(tmp_path: Path, in_memory: int) -> None:
    store, given = InversionStore(tmp_path, "model", in_memory=in_memory), trajectory()
    latents = store.room(tuple(given.latents.shape), torch.float32)
    latents.copy_(given.latents)
    store.keep(Trajectory(given.timesteps, latents), "prompt")
    again = InversionStore(tmp_path, "model")
    assert same(again.recall(given.x_0, "prompt"), given)
    assert again.recall(given.x_0, "another prompt") is None
    assert again.recall(given.x_0 + 1, "prompt") is None
    assert InversionStore(tmp_path, "another model").recall(given.x_0, "prompt") is None
    assert not list(tmp_path.glob(".*"))


def test_what_is_recalled_cannot_spoil_the_file(tmp_path: Path) -> None:
    store, given = InversionStore(tmp_path, "model"), trajectory()
    store.keep(given, "prompt")
    found = store.recall(given.x_0, "prompt")
    assert found is not None
    found.latents.zero_()
    assert same(store.recall(given.x_0, "prompt"), given)


def test_a_torn_file_is_not_served(tmp_path: Path) -> None:
    store, given = InversionStore(tmp_path, "model"), trajectory()
    store.keep(given, "prompt")
    file = next(tmp_path.glob("*.latents"))
    file.write_bytes(file.read_bytes()[:-4])
    assert store.recall(given.x_0, "prompt") is None


def test_the_oldest_go_first(tmp_path: Path) -> None:
    size = trajectory().latents.numel() * 4
    store = InversionStore(tmp_path, "model", most=2 * size)
    for seed in range(3):
        store.keep(trajectory(seed), "prompt")
    kept = [store.recall(trajectory(seed).x_0, "prompt") is not None for seed in range(3)]
    assert sum(kept) == 2 and kept[2]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"shape": [1]}', '{"shape": "x", "dtype": 3}'])
def test_a_damaged_description_is_not_served(tmp_path: Path, text: str) -> None:
    store, given = InversionStore(tmp_path, "model"), trajectory()
    store.keep(given, "prompt")
    next(tmp_path.glob("*.json")).write_text(text)
    assert store.recall(given.x_0, "prompt") is None
    store.keep(given, "prompt")
    assert same(store.recall(given.x_0, "prompt"), given)


def test_changed_bytes_are_not_served(tmp_path: Path) -> None:
    store, given = InversionStore(tmp_path, "model"), trajectory()
    store.keep(given, "prompt")
    file = next(tmp_path.glob("*.latents"))
    content = bytearray(file.read_bytes())
    content[7] ^= 1
    file.write_bytes(content)
    assert store.recall(given.x_0, "prompt") is None


def test_no_room_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("frameweave.editing.inversions._take_room", full)
    with pytest.raises(RunError, match="give --cache a folder"):
        InversionStore(tmp_path, "model", in_memory=0).room((4,), torch.float32)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("in_memory", [0, 2**30])
def test_where_nothing_can_be_kept_a_note_says_so_once(tmp_path: Path, in_memory: int) -> None:
    taken, said = tmp_path / "file", list[str]()
    taken.write_text("")
    store, given = InversionStore(taken, "model", in_memory=in_memory, note=said.append), trajectory()
    for _ in range(2):
        room = store.room(tuple(given.latents.shape), torch.float32)
        room.copy_(given.latents)
        store.keep(Trajectory(given.timesteps, room), "prompt")
        assert store.recall(given.x_0, "prompt") is None
    (text,) = said
    assert text.startswith(f"{taken}: inversions are not kept (") and "--cache" in text


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.latents").write_bytes(bytes(10_000))
    store = InversionStore(tmp_path, "model", most=1)
    store.keep(trajectory(), "prompt")
    assert (tmp_path / "mine.latents").is_file()


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_a_second_edit_skips_the_inversion(
    kind: str, tiny: StableDiffusion, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    original = StableDiffusion.predict

    def counting(self: StableDiffusion, *args: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return original(self, *args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(StableDiffusion, "predict", counting)
    store = InversionStore(tmp_path, "tiny") if kind == "disk" else Remembered()
    frames = []
    for _ in range(2):
        before = calls
        result = edit_clip(
            Framewise(steps=4), clip, "a red car", tiny, inversions=store, rng=torch.Generator()
        )
        frames.append((calls - before, result.frames))
    assert [count for count, _ in frames] == [8, 4]
    assert torch.equal(frames[0][1], frames[1][1])


def test_editors_for_which_an_adaptor_acts_otherwise_share_no_inversions(
    tiny: StableDiffusion, tmp_path: Path
) -> None:
    adaptor = new_adaptor(tiny)
    card = replace(adaptor.card, strength_schedules={"tokenflow": "0.5-1:2"}, tokens_for=["vidtome"])
    replace(adaptor, card=card).save(tmp_path / "adaptor")
    options = EditOptions(adaptor=str(tmp_path / "adaptor"))
    settings = {name: setting_of(tiny, options.replaced(editor=name)) for name in registry.names()}
    assert settings["framewise"] == settings["text2video_zero"] == settings["vid2vid_zero"]
    assert len(set(settings.values())) == 3
    for alike in (
        {"adaptor_strength": 1.0, "tokens": False},
        {"adaptor_schedule": "0.5-1:2", "tokens": True},
    ):
        assert (
            len({setting_of(tiny, options.replaced(editor=name, **alike)) for name in registry.names()}) == 1
        )
    by_hand = options.replaced(editor="framewise", adaptor_schedule="0.5-1:2")
    assert setting_of(tiny, by_hand) == settings["tokenflow"]


def test_settings_of_the_scheduler_and_the_vocabulary_count(
    tiny: StableDiffusion, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    options = EditOptions(model=str(folder))
    found = {setting_of(tiny, options)}
    for file, old, new in (
        ("scheduler/scheduler_config.json", '"epsilon"', '"v_prediction"'),
        ("scheduler/scheduler_config.json", "0.012", "0.02"),
        ("tokenizer/tokenizer_config.json", "{", "{ "),
    ):
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace(old, new, 1))
        assert (folder / file).read_text() != text
        found.add(setting_of(tiny, options))
    found |= {
        setting_of(replace(tiny, prediction="v_prediction"), options),
        setting_of(replace(tiny, schedule=replace(tiny.schedule, offset=0)), options),
        setting_of(
            replace(tiny, schedule=replace(tiny.schedule, alpha_bar=tiny.schedule.alpha_bar / 2)), options
        ),
    }
    assert len(found) == 7


def test_what_loras_hold_counts_and_not_where_they_lie(tiny: StableDiffusion, tmp_path: Path) -> None:
    """Also of one that acts at some timesteps only: between calls the UNet has nothing of it."""
    names = [
        saved(kohya(random_pairs(tiny.unet, seed=seed)), tmp_path / f"{seed}.safetensors") for seed in (0, 1)
    ]
    again = shutil.copy(names[0], tmp_path / "copy.safetensors")
    found = {}
    for suffix in ("", "@1:0-0.5", "@0.5:0-0.5", "@1:0-0.4"):
        for name in (*names, str(again)):
            options = EditOptions(lora=(name + suffix,))
            with loras(tiny, options.lora):
                found[name, suffix] = setting_of(tiny, options)
        assert found[names[0], suffix] == found[str(again), suffix]
    assert len({*found.values(), setting_of(tiny, EditOptions())}) == 9


def test_words_and_vectors_of_textual_inversions_count(tiny: StableDiffusion, tmp_path: Path) -> None:
    names = [
        saved({"emb_params": torch.full((1, 16), seed)}, tmp_path / f"{seed}.safetensors")
        for seed in (1.0, 2.0)
    ]
    again = shutil.copy(names[0], tmp_path / "copy.safetensors")
    found = [setting_of(tiny, EditOptions(embedding=(f"{word}={name}",)))
        for word, name in (("a", names[0]), ("a", again), ("a", names[1]), ("b", names[0]))]  # fmt: skip
    assert found[0] == found[1] and len({*found, setting_of(tiny, EditOptions())}) == 4


def test_settings_of_later_versions_count_only_where_they_act(
    tiny: StableDiffusion, tiny_folder: Path, tmp_path: Path
) -> None:
    """So inversions that were kept before there were such settings stay found."""
    folder = str(tiny_folder)
    options = EditOptions(model=folder, source_prompt="a car")
    table = json.loads(setting_of(tiny, options))
    assert not {"config", "vae", "prompt_syntax", "clip_skip", "read"} & table.keys()
    assert setting_of(tiny, options.replaced(prompt_syntax="plain")) == setting_of(tiny, options)
    asked = [options.replaced(clip_skip=2)]
    asked += [options.replaced(source_prompt="a (red) car", prompt_syntax=one) for one in ("a1111", "plain")]
    asked += [options.replaced(source_prompt="a (red) car", as_published=True, editor="tokenflow")]
    found = [table, *(json.loads(setting_of(tiny, one)) for one in asked)]
    file = tmp_path / "vae.safetensors"
    for content in (b"a vae", b"another vae"):
        file.write_bytes(content)
        found.append(json.loads(setting_of(tiny, options.replaced(vae=str(file)))))
    assert len({json.dumps(one) for one in found}) == len(asked) + 3
