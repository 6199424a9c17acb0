"""Motion on the disk: found again by pictures, flow and size; never served damaged or for anything else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from frameweave.video.motion.flows import Flow, flow_of
from frameweave.video.motion.kept import ClipPrint, Motions, MotionStore
from frameweave.video.motion.motion import Motion, motion_of
from frameweave.video.motion.providers import dis
from moving import panning

CLIP = panning(6, 1)


def never(*_: object) -> Iterator[torch.Tensor]:
    raise AssertionError("the frames are not needed")


def printed(clip: torch.Tensor) -> ClipPrint:
    known = ClipPrint()
    known.add(clip)
    return known


def same(a: Motion, b: Motion) -> bool:
    return a.offsets == b.offsets and torch.equal(a.flow, b.flow) and torch.equal(a.weight, b.weight)


def kept(folder: Path, name: str = "dis") -> Motions:
    return Motions(flow_of(name), MotionStore(folder))


def found(folder: Path, clip: torch.Tensor = CLIP, radius: int = 1, name: str = "dis") -> bool:
    """Whether it is served without frames."""
    try:
        kept(folder, name).of(printed(clip), never, radius, (6, 8))
    except AssertionError:
        return False
    return True


def test_made_once_and_found_again(tmp_path: Path) -> None:
    made = kept(tmp_path).of_frames(CLIP, 2, (6, 8))
    assert same(made, motion_of(CLIP, 2, size=(6, 8)))
    again = kept(tmp_path).of(printed(CLIP), never, 2, (6, 8))
    assert same(again, made)


def test_a_smaller_radius_is_served_from_a_larger_one_and_a_larger_one_is_made(tmp_path: Path) -> None:
    kept(tmp_path).of_frames(CLIP, 2, (6, 8))
    assert same(kept(tmp_path).of(printed(CLIP), never, 1, (6, 8)), motion_of(CLIP, 1, size=(6, 8)))
    assert not found(tmp_path, radius=3)
    assert same(kept(tmp_path).of_frames(CLIP, 3, (6, 8)), motion_of(CLIP, 3, size=(6, 8)))
    assert found(tmp_path, radius=2)


def test_nothing_else_is_served(tmp_path: Path) -> None:
    kept(tmp_path).of_frames(CLIP, 1, (6, 8))
    assert found(tmp_path)
    assert not found(tmp_path, CLIP.flip(0))
    assert not found(tmp_path, CLIP[:5])
    assert not found(tmp_path, name="farneback")
    with pytest.raises(AssertionError):
        kept(tmp_path).of(printed(CLIP), never, 1, (8, 6))


def test_batches_have_one_print() -> None:
    known = ClipPrint()
    for part in CLIP.split(4):
        known.add(part)
    assert (known.digest, known.frames) == (printed(CLIP).digest, 6)


def test_the_shape_of_pictures_counts() -> None:
    flat = torch.zeros(1, 3, 2, 8)
    assert printed(flat).digest != printed(flat.view(1, 3, 4, 4)).digest


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "folder"])
def test_what_is_damaged_is_made_anew(damage: str, tmp_path: Path) -> None:
    made = kept(tmp_path).of_frames(CLIP, 1, (6, 8))
    (file,) = tmp_path.glob("*.motion")
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    texts = {"cut": bytes(content[:-9]), "flipped": bytes(content), "empty": b"", "text": b"{}"}
    if damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(texts[damage])
    assert not found(tmp_path)
    assert same(kept(tmp_path).of_frames(CLIP, 1, (6, 8)), made)
    assert found(tmp_path) or damage == "folder"


def test_the_oldest_go_first(tmp_path: Path) -> None:
    clips = [panning(6, step) for step in (0, 1, 2)]
    size = 2 * 6 * 3 * 48 * 4 + 1000
    store = MotionStore(tmp_path, most=2 * size)
    for clip in clips:
        Motions(flow_of(), store).of_frames(clip, 1, (6, 8))
    assert [found(tmp_path, clip) for clip in clips] == [False, True, True]


def test_where_nothing_can_be_kept_a_note_says_so(tmp_path: Path) -> None:
    taken, said = tmp_path / "file", list[str]()
    taken.write_text("")
    motions = Motions(flow_of(), MotionStore(taken, note=said.append))
    assert same(motions.of_frames(CLIP, 1), motion_of(CLIP, 1))
    (text,) = said
    assert text.startswith(f"{taken}: motion is not kept (") and "--cache" in text


def test_without_a_store_nothing_is_kept_nor_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClipPrint, "add", never)
    assert same(Motions(flow_of()).of_frames(CLIP, 1), motion_of(CLIP, 1))


def test_an_interrupted_estimate_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    flow = Flow("dis", interrupted, flow_of("dis").identity)  # pyright: ignore[reportArgumentType]
    with pytest.raises(KeyboardInterrupt):
        Motions(flow, MotionStore(tmp_path)).of_frames(CLIP, 1)
    assert not list(tmp_path.iterdir())
    assert flow_of("dis").provider is dis
