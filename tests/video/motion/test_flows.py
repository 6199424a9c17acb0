"""Flow by name: our own, those of other packages, and files."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest
import torch

from frameweave.errors import InputError, RunError
from frameweave.video.motion import flows
from frameweave.video.motion.flows import flow_names, flow_of
from frameweave.video.motion.motion import motion_of

CODE = """
import numpy as np

def right(a, b):
    field = np.zeros((*a.shape[:2], 2))
    field[..., 0] = 1
    return field

def small(a, b):
    return np.zeros((2, 2))

def broken(a, b):
    raise ValueError("no weights")

class Class: ...
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """A package that brings flows, as pip would leave it behind."""
    (tmp_path / "own_flow.py").write_text(CODE)
    about = tmp_path / "own_flow-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own_flow\nVersion: 1.2\n")
    points = ["right", "small", "broken", "Class", "gone"]
    lines = [f"{name.lower()} = own_flow:{name}" for name in points] + ["dis = own_flow:right"]
    (about / "entry_points.txt").write_text("\n".join([f"[{flows.GROUP}]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))
    flows._plugins.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield
    flows._plugins.cache_clear()  # pyright: ignore[reportPrivateUsage]
    sys.modules.pop("own_flow", None)


def test_the_usual_one() -> None:
    assert flow_of().identity == flow_of("dis").identity
    assert flow_of().identity != flow_of("farneback").identity


def test_our_own_names() -> None:
    assert flow_names()[:3] == ["dis", "farneback", "none"]


def test_other_packages_bring_flows(install: None) -> None:
    assert {"right", "small", "broken"} <= set(flow_names())
    found = flow_of("right")
    assert found.identity == "right own_flow 1.2"
    motion = motion_of(torch.full((2, 3, 6, 7), 0.5), 1, provider=found.provider)
    assert (motion.flow[1, 0, 0] == 1).all()


def test_what_cannot_be_used_is_told_in_a_line_each_and_left_out(
    install: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert not {"class", "gone"} & set(flow_names())
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 3
    assert "the flow class is left out: own_flow:Class is no function of two pictures" in texts
    assert "the flow dis is left out: the name of own_flow:right is taken" in texts
    assert any(
        text.startswith("the flow gone is left out: own_flow:gone cannot be imported") for text in texts
    )
    assert flow_of("dis").identity.startswith("dis OpenCV")


@pytest.mark.parametrize(
    ("name", "said"), [("small", "gave an array of"), ("broken", "failed: ValueError: no")]
)
def test_what_another_package_does_wrong_is_told_with_its_name(install: None, name: str, said: str) -> None:
    with pytest.raises(RunError, match=f"the flow {name} {said}"):
        motion_of(torch.rand(2, 3, 6, 7), 1, provider=flow_of(name).provider)


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown flow 'farnback', expected one of dis.*mean farneback"):
        flow_of("farnback")


@pytest.mark.parametrize("text", ["flow.npz", "here/flow", "./dis"])
def test_a_path_where_nothing_lies_is_told_as_one(text: str) -> None:
    with pytest.raises(InputError, match="no such file or folder; check the path"):
        flow_of(text)
