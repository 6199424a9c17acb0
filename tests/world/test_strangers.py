"""Strangers: what they show, apart by split, and as files that the rest of the program reads."""

from itertools import combinations as pairs
from pathlib import Path

import pytest
import torch

from frameweave.measuring.experiments.items import table_items
from frameweave.training.sources.folder import FolderGroups
from frameweave.video.clip import Clip
from frameweave.world.files import write_world
from frameweave.world.grammar import phrase
from frameweave.world.options import WorldOptions
from frameweave.world.render import render_clip
from frameweave.world.scene import ATTRIBUTES, WORDS, sample_scenes
from frameweave.world.strangers import (
    STRANGER_EDITS,
    StrangerSplit,
    alternating,
    stranger_combinations,
    stranger_scenes,
)
from frameweave.world.styles import compressed

SPLITS: tuple[StrangerSplit, ...] = ("train", "validation", "test")


def test_home_words_keep_their_numbers() -> None:
    for name, words in ATTRIBUTES.items():
        assert WORDS[name][: len(words)] == words
        assert len(set(WORDS[name])) == len(WORDS[name])
    assert len(WORDS["noun"]) >= len(ATTRIBUTES["noun"]) + 8
    assert len(WORDS["background"]) == len(ATTRIBUTES["background"]) + 4
    assert len(WORDS["style"]) == len(ATTRIBUTES["style"]) + 3


def test_no_combination_is_in_two_splits_and_every_word_in_each() -> None:
    found = {split: {tuple(row.tolist()) for row in stranger_combinations(split)} for split in SPLITS}
    for a, b in pairs(SPLITS, 2):
        assert not found[a] & found[b]
    for rows in found.values():
        assert {row[0] for row in rows} == set(range(12, 22))
        assert [{row[k] for row in rows} for k in (1, 2, 3)] == [set(range(n)) for n in (6, 11, 8)]
    assert sum(map(len, found.values())) == 10 * 6 * 11 * 8


def test_a_seed_gives_one_set_of_strangers() -> None:
    a, b = (stranger_scenes(6, seed=7, split="test") for _ in range(2))
    assert torch.equal(render_clip(a, 2).frames, render_clip(b, 2).frames)


@pytest.mark.parametrize("style", WORDS["style"][5:])
def test_looks_change_the_picture_and_keep_its_range(style: str) -> None:
    scene = stranger_scenes(1, seed=1).edited(style="plain")
    plain, seen = (render_clip(one, 1).frames for one in (scene, scene.edited(style=style)))
    assert 0 <= seen.min() < seen.max() <= 1
    assert (seen - plain).abs().mean() > 0.02


def test_compressed_blocks_are_flat_where_the_picture_is_and_alike_but_for_a_step() -> None:
    """A block's mean is rounded to steps of 0.35 / 8."""
    flat = torch.rand(2, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 64, 64)
    seen = compressed(flat, flat[:, :1])
    assert (seen - seen[:, :, :1, :1]).abs().max() < 1e-5
    assert (seen - flat).abs().max() <= 0.35 / 16 + 1e-5


def test_the_object_of_an_edit_stays() -> None:
    assert "noun" not in STRANGER_EDITS


def test_alternating_takes_every_other_scene() -> None:
    home, strange = sample_scenes(5, seed=0), stranger_scenes(5, seed=0)
    both = alternating(home, strange)
    assert [both.words(k) for k in range(5)] == [(strange if k % 2 else home).words(k) for k in range(5)]


def test_files_can_be_trained_on_and_edited(tmp_path: Path) -> None:
    options = WorldOptions(
        out=tmp_path, clips=3, frames=4, seed=2, strangers=True, split="validation", edits=True
    )
    told = list(write_world(options))
    scenes = stranger_scenes(3, seed=2, split="validation")
    groups = FolderGroups(tmp_path)
    groups.check()
    assert len(groups) == 3
    assert groups.group(1).captions[0] == told[1]["caption"] == phrase(scenes.words(1))
    for index, item in enumerate(table_items(tmp_path / "edits.csv", 4, None)):
        assert item.source_prompt == phrase(scenes.words(index)) != item.prompt
        assert item.truth is not None
        source, truth = (Clip.read(Path(file)).frames for file in (item.video, item.truth))
        assert (source - render_clip(scenes[index], 4).frames).abs().mean() < 0.05
        assert (source - truth).abs().mean() > 0.02
