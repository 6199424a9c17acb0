"""The world's test set: what it is, what is known about each edit, and tables of real videos."""

import itertools
from collections import Counter
from pathlib import Path

import pytest
import torch

from frameweave.errors import InputError
from frameweave.measuring.experiments.items import (
    SEEDS,
    STRANGE,
    ClipSet,
    TableItem,
    set_name,
    texts_of,
    world_items,
)
from frameweave.measuring.experiments.pairs import edited_area, pair_of
from frameweave.measuring.experiments.scoring import case_of
from frameweave.measuring.metrics.base import Looked
from frameweave.measuring.metrics.flow import warp_error
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from frameweave.world.grammar import phrase
from frameweave.world.scene import ATTRIBUTES, WORDS, combinations
from frameweave.world.strangers import stranger_combinations


def test_the_test_set_is_a_function_of_its_number(tiny: StableDiffusion) -> None:
    items = world_items("test", 8, 3)
    first, again = (pair_of(items[5], tiny) for _ in range(2))
    assert torch.equal(first.source.frames, again.source.frames)
    assert (first.prompt, first.name, first.clip) == (again.prompt, "005", "005")
    assert items[0].world == SEEDS["test"]


def test_each_kind_of_attribute_is_changed_in_turn(tiny: StableDiffusion) -> None:
    pairs = [pair_of(item, tiny) for item in world_items("test", 4, 2)]
    assert [pair.about["attribute"] for pair in pairs] == list(ATTRIBUTES)
    for pair in pairs:
        assert pair.wanted is not None and pair.wanted[pair.about["attribute"]] == pair.about["to"]
        assert pair.about["from"] != pair.about["to"]
        assert pair.prompt != pair.source_prompt


@pytest.mark.parametrize(("changes", "groups"), [(2, 6), (3, 4), (4, 1)])
def test_several_attributes_are_changed_at_once(changes: int, groups: int, tiny: StableDiffusion) -> None:
    pairs = [pair_of(item, tiny) for item in world_items("test", 12, 1, changes)]
    for pair in pairs:
        names, before, after = (pair.about[name].split(" and ") for name in ("attribute", "from", "to"))
        assert pair.wanted is not None and [pair.wanted[name] for name in names] == after
        assert len(set(names)) == changes and all(map(str.__ne__, before, after))
        assert pair.prompt == phrase(pair.wanted)
        assert pair.source_prompt == phrase(pair.wanted | dict(zip(names, before, strict=True)))
    assert len({pair.about["attribute"] for pair in pairs}) == groups
    assert len({pair.about["to"] for pair in pairs}) == len(pairs)


def test_what_is_asked_is_part_of_the_items_and_of_the_name_of_the_set() -> None:
    assert world_items("test", 4, 2, 1) == world_items("test", 4, 2) != world_items("test", 4, 2, 2)
    assert set_name("test", 4, 2) == set_name("test", 4) + ", 2 attributes changed at once"


def test_every_word_is_asked_for(tiny: StableDiffusion) -> None:
    pairs = [pair_of(item, tiny) for item in world_items("test", 64, 1)]
    for attribute, words in ATTRIBUTES.items():
        asked = Counter(pair.about["to"] for pair in pairs if pair.about["attribute"] == attribute)
        assert asked.total() == 16
        assert len(asked) >= min(len(words), 8) - 1 and max(asked.values()) <= 16 / len(words) + 4, asked


def test_a_truth_of_another_size_is_read_at_the_sources(tiny: StableDiffusion, tmp_path: Path) -> None:
    for name, size in (("source", (30, 50)), ("truth", (60, 64))):
        Clip.of(torch.rand(2, 3, *size)).write(tmp_path / f"{name}.mp4")
    files = {name: str(tmp_path / f"{name}.mp4") for name in ("source", "truth")}
    pair = pair_of(
        TableItem(
            name="a", prompt="a red car", frames=2, size=None, video=files["source"], truth=files["truth"]
        ),
        tiny,
    )
    assert pair.truth is not None and pair.truth.size == pair.source.size


@pytest.mark.parametrize("which", SEEDS)
def test_only_development_clips_show_what_trainings_see(which: ClipSet, tiny: StableDiffusion) -> None:
    strange = which in STRANGE
    seen = stranger_combinations("train") if strange else combinations("train")
    trained = {tuple(row) for row in seen.tolist()}
    for item in world_items(which, 8, 1):
        pair = pair_of(item, tiny)
        assert pair.wanted is not None
        source = pair.wanted | {pair.about["attribute"]: pair.about["from"]}
        shown = tuple(WORDS[name].index(source[name]) for name in WORDS)
        assert (shown in trained) == which.endswith("development")
        assert (source["noun"] not in ATTRIBUTES["noun"]) == strange
        assert not strange or pair.about["attribute"] != "noun"


def test_more_changes_than_a_set_has_kinds_are_told() -> None:
    assert len(world_items("strangers", 3, 1, 3)) == 3
    with pytest.raises(InputError, match="4 changes at once, expected at most 3: colour, background, style"):
        world_items("strangers", 3, 1, 4)


def test_the_sets_have_clips_and_names_of_their_own(tiny: StableDiffusion) -> None:
    frames = [pair_of(world_items(which, 8, 1)[3], tiny).source.frames for which in SEEDS]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(frames, 2))
    assert len({set_name(which, 8) for which in SEEDS}) == len(set(SEEDS.values())) == len(SEEDS)


def test_what_is_known_fits_together(tiny: StableDiffusion) -> None:
    for item in (*world_items("test", 4, 4), *world_items("test", 2, 4, 2)):
        pair = pair_of(item, tiny)
        assert pair.truth is not None and pair.mask is not None
        assert pair.flow is not None and pair.visible is not None
        outside = (pair.mask < 0.5).expand_as(pair.source.frames)
        changed = (pair.source.frames - pair.truth.frames).abs()
        if "style" not in pair.about["attribute"] and bool(outside.any()):
            assert float(changed[outside].mean()) < 0.01  # only the edited part differs
        assert float(changed.mean()) > 0.005
        # the source itself follows its flow, and half the motion does not explain it better
        own = warp_error(pair.source.frames, pair.flow, pair.visible)
        wrong = warp_error(pair.source.frames, pair.flow + 3, pair.visible)
        assert own < 0.02 < wrong


def test_edited_areas() -> None:
    before, after = torch.zeros(1, 1, 20, 20), torch.zeros(1, 1, 20, 20)
    before[..., 8:10, 8:10] = 1
    after[..., 8:10, 12:14] = 1
    assert edited_area(["colour"], (before, after)).sum() == 12 * 16  # 5 pixels around 2 x 6
    before[..., 8, 7] = 0.4  # the soft edge of an object shows some background
    assert edited_area(["background"], (before, before)).sum() == 400 - 4
    assert edited_area(["background"], (before, after)).all()  # what was object becomes background
    assert edited_area(["style"], (before, after)).all()
    assert edited_area(["noun", "background"], (before, before)).all()
    assert torch.equal(
        edited_area(["noun", "colour"], (before, after)), edited_area(["noun"], (before, after))
    )


def test_a_line_of_a_table_is_scaled_to_the_model(tiny: StableDiffusion, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    Clip.of(torch.rand(5, 3, 30, 50, generator=rng)).write(tmp_path / "a.mp4")
    item = TableItem(name="a", video=str(tmp_path / "a.mp4"), prompt="a red car", frames=3, size=None)
    pair = pair_of(item, tiny)
    width, height = pair.source.size
    assert len(pair.source) == 3
    assert (width, height) == (tiny.native, round(30 / 50 * tiny.native))  # its shape is kept
    assert pair.given.shape[2] % tiny.multiple == pair.given.shape[3] % tiny.multiple == 0
    Clip.of(torch.rand(2, 3, 30, 50, generator=rng)).write(tmp_path / "short.mp4")
    with pytest.raises(InputError, match=r"short.mp4: 2 frames, .*a.mp4 has 3"):
        pair_of(item.model_copy(update={"truth": str(tmp_path / "short.mp4")}), tiny)


def test_one_video_by_several_names_is_one_clip(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    names = ("a.mp4", "link.mp4", "../" + tmp_path.name + "/a.mp4")
    clips = {
        TableItem(name="a", video=str(tmp_path / name), prompt="a", frames=2, size=None).clip
        for name in names
    }
    assert clips == {str((tmp_path / "a.mp4").resolve())}


@pytest.mark.parametrize(("syntax", "expected"), [("a1111", "a red boat"), ("plain", "a (red:1.4) [boat]")])
def test_metrics_read_what_a_prompt_says(
    syntax: str, expected: str, tiny_folder: Path, tmp_path: Path
) -> None:
    """Weights are no words to them."""
    Clip.of(torch.rand(2, 3, 32, 32)).write(tmp_path / "a.mp4")
    prompt = "a (red:1.4) [boat]"
    item = TableItem(
        name="a", video=str(tmp_path / "a.mp4"), prompt=prompt, source_prompt=prompt, frames=2, size=None
    )
    pair = pair_of(item, load(str(tiny_folder), device="cpu", prompt_syntax=syntax))
    case = case_of(Looked(pair.source.frames), pair)
    assert (pair.prompt, case.prompt, case.source_prompt) == (prompt, expected, expected)
    assert list(texts_of([item, *world_items("test", 1, 2)], syntax)) == [
        ("prompt", expected),
        ("source prompt", expected),
    ]
