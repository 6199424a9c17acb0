"""How sources move in experiments: once for each pair, by any flow that is asked for, also the true one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from following import installed
from frameweave.errors import InputError
from frameweave.measuring.experiments.items import world_items
from frameweave.measuring.experiments.pairs import Pair, pair_of
from frameweave.measuring.grid import grid
from frameweave.measuring.options import GridOptions
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.motion.motion import Motion
from frameweave.video.motion.warp import moved_back

SMALL = GridOptions(clips=1, frames=3, steps=2, editors=("following", "framewise"), workers=0)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Motion]:
    return installed(monkeypatch)


def keys(folder: Path) -> dict[str, str]:
    """Of the edits without an adaptor, by editor."""
    lines = [json.loads(line) for line in (folder / "cells.jsonl").read_text().splitlines()]
    return {line["editor"]: line["video"] for line in lines if line["arm"] == "without"}


def test_one_motion_serves_all_editors_and_arms_of_a_pair(
    given: list[Motion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[int]()
    original = Pair.moving

    def counting(self: Pair, flow: str | None, radius: int, size: tuple[int, int]) -> Motion:
        calls.append(radius)
        return original(self, flow, radius, size)

    monkeypatch.setattr(Pair, "moving", counting)
    options = SMALL.replaced(arms=("with=miniature@2,window=0-1",), out=tmp_path, editors=("following",))
    done = grid(None, options.replaced(set=("reach=2",)))
    assert not done.failed
    assert calls == [2]
    assert len(given) == 2 and torch.equal(given[0].flow, given[1].flow)


def test_flow_counts_only_where_it_is_followed_and_not_the_usual(given: list[Motion], tmp_path: Path) -> None:
    asked = {"usual": None, "dis": "dis", "none": "none", "true": "true"}
    shared = SMALL.replaced(cells=tmp_path / "cells", arms=())
    for name, flow in asked.items():
        assert not grid(None, shared.replaced(flow=flow, out=tmp_path / name)).failed
    made = {name: keys(tmp_path / name) for name in asked}
    assert len({found["framewise"] for found in made.values()}) == 1
    assert made["usual"]["following"] == made["dis"]["following"]
    assert len({found["following"] for found in made.values()}) == 3
    assert len(given) == 3


@pytest.mark.parametrize("number", range(4))
def test_the_true_flow_of_the_world_leads_there_and_back(number: int, tiny: StableDiffusion) -> None:
    pair = pair_of(world_items("development", 4, 4)[number], tiny)
    assert pair.flow is not None and pair.flow_back is not None and pair.visible is not None
    returned, _ = moved_back(pair.flow_back, pair.flow)
    off = (pair.flow + returned).norm(dim=1, keepdim=True)[pair.visible]
    assert float(off.mean()) < 0.03 and float(off.median()) < 1e-5
    assert float(pair.flow.norm(dim=1).mean()) > 0.1
    motion = pair.moving("true", 1, (64, 64))
    assert torch.equal(
        motion.flow[1, :-1][motion.weight[1, :-1].expand(-1, 2, -1, -1) > 0],
        pair.flow[motion.weight[1, :-1].expand(-1, 2, -1, -1) > 0],
    )
    assert float(motion.weight[:, 1:-1].mean()) > 0.8


@pytest.mark.parametrize(
    ("flow", "said"),
    [("diss", "mean dis"), ("flow.npz", "no such file"), ("here", "one file for many")],
)
def test_flow_that_not_every_clip_has_is_told(flow: str, said: str, tmp_path: Path) -> None:
    for way in ("forward", "backward"):
        np.save(tmp_path / f"{way}.npy", np.zeros((2, 4, 4, 2)))
    with pytest.raises(InputError, match=said):
        grid(None, SMALL.replaced(flow=str(tmp_path) if flow == "here" else flow, editors=("framewise",)))


def test_the_true_flow_of_a_table_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("video,prompt\na.mp4,a red car\n")
    with pytest.raises(InputError, match="known of the Miniature's clips only"):
        grid(tmp_path / "table.csv", SMALL.replaced(flow="true", editors=("framewise",)))
