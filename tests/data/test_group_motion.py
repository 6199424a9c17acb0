"""Motion within groups: exact where it is known, else estimated; found once, and never served damaged."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from frameweave.data import group_motion
from frameweave.data.group_motion import GroupMotions
from frameweave.video.group import FrameGroup
from frameweave.world.groups import WorldGroups
from frameweave.world.scene import ATTRIBUTES, sample_scenes
from frameweave.world.textures import tiles


@dataclass(frozen=True)
class Pan:
    """A texture that goes two pixels to the left in each frame; how it moves is not told."""

    asked: list[int] = field(default_factory=list[int])

    def __len__(self) -> int:
        return 3

    def key(self, index: int) -> str:
        return f"pan {index}"

    def group(self, index: int) -> FrameGroup:
        self.asked.append(index)
        tile = tiles()[0]
        return FrameGroup(
            torch.stack([tile[:, index : index + 64, 2 * f : 2 * f + 64] for f in range(3)]), ("a pan",)
        )


def test_the_world_tells_how_its_groups_move() -> None:
    plain = ATTRIBUTES["style"].index("plain")  # other styles draw on the screen
    chosen = [index for index in range(40) if int(sample_scenes(1, seed=(0, index)).style) == plain]
    for index in chosen[:4]:
        group = WorldGroups(40, frames=3, stride=2).group(index)
        assert group.motion is not None
        flow, seen = group.motion[:, :2], group.motion[:, 2:]
        y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
        grid = ((torch.stack([x, y]) + flow).permute(0, 2, 3, 1) + 0.5) / 32 - 1
        moved = F.grid_sample(group.frames[1:], grid, padding_mode="border", align_corners=False)
        away, still = (((a - group.frames[:-1]).abs() * seen).mean() for a in (moved, group.frames[1:]))
        assert float(away) < 0.03 and float(away) <= float(still) + 1e-3
        assert set(seen.unique().tolist()) <= {0.0, 1.0}
    assert WorldGroups(1, frames=1).group(0).motion is None


def test_exact_motion_is_averaged_to_the_size_of_latents(tmp_path: Path) -> None:
    source = WorldGroups(2)
    found = GroupMotions(source, tmp_path, 64, True, (16, 16))[1]
    exact = source.group(1).motion
    assert exact is not None and found.shape == (2, 3, 16, 16)
    x, y, seen = exact[0, :, 4:8, 8:12].mean((1, 2)).tolist()
    assert found[0, :, 1, 2].tolist() == pytest.approx([x / 4, y / 4, seen], abs=2e-3)


def test_motion_is_estimated_once_and_read_back_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Pan()
    motions = GroupMotions(source, tmp_path, 64, True, (16, 16))
    first = motions[0]
    assert float(first[:, 0, 2:-2, 2:-2].mean()) == pytest.approx(-0.5, abs=0.05)  # two of four pixels
    assert float(first[:, 1, 2:-2, 2:-2].mean()) == pytest.approx(0, abs=0.05)
    assert float(first[:, 2, 2:-2, 2:-2].mean()) > 0.8
    (file,) = tmp_path.rglob("*.safetensors")
    whole = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(group_motion, "motion_of", None)  # nothing is estimated again
        assert torch.equal(motions[0], first) and source.asked == [0]
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert torch.equal(motions[0], first) and source.asked == [0, 0]
    assert file.read_bytes() == whole
    other = GroupMotions(source, tmp_path, 64, True, (8, 8))[0]
    assert other.shape == (2, 3, 8, 8)
