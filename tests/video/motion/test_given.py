"""Flow from files of every layout, against arrays that are known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from frameweave.errors import InputError
from frameweave.video.motion.given import GivenFlow
from frameweave.video.motion.motion import motion_of
from moving import panning

Array = NDArray[np.float32]
Writer = Callable[[Path, Array, Array], Path]


def random_flow(pairs: int = 3, height: int = 6, width: int = 8) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    one, other = (rng.normal(size=(pairs, height, width, 2)).astype(np.float32) for _ in range(2))
    return one, other


def npy(folder: Path, forward: Array, backward: Array) -> Path:
    np.save(folder / "flow.npy", np.stack([forward, backward]))
    return folder / "flow.npy"


def npz(folder: Path, forward: Array, backward: Array) -> Path:
    np.savez_compressed(folder / "flow.npz", forward=forward, backward=backward)
    return folder / "flow.npz"


def channels_first(folder: Path, forward: Array, backward: Array) -> Path:
    first = [np.moveaxis(one, -1, 1) for one in (forward, backward)]
    np.savez(folder / "flow.npz", forward=first[0], backward=first[1])
    return folder / "flow.npz"


def safetensors(folder: Path, forward: Array, backward: Array) -> Path:
    save_file({"forward": forward, "backward": backward}, folder / "flow.safetensors")
    return folder / "flow.safetensors"


def arrays_in_a_folder(folder: Path, forward: Array, backward: Array) -> Path:
    np.save(folder / "forward.npy", forward)
    np.save(folder / "backward.npy", backward)
    return folder


def middlebury(folder: Path, forward: Array, backward: Array) -> Path:
    """As bytes by hand; names count up without leading zeros."""
    for name, fields in (("forward", forward), ("backward", backward)):
        (folder / name).mkdir()
        for number, field in enumerate(fields):
            height, width = field.shape[:2]
            head = np.float32(202021.25).tobytes() + np.array([width, height], "<i4").tobytes()
            (folder / name / f"{8 + number}.flo").write_bytes(head + field.astype("<f4").tobytes())
    return folder


def file_by_file(folder: Path, forward: Array, backward: Array) -> Path:
    for name, fields in (("forward", forward), ("backward", backward)):
        (folder / name).mkdir()
        for number, field in enumerate(fields):
            np.save(folder / name / f"{number:04}.npy", field)
    return folder


WRITERS = [npy, npz, channels_first, safetensors, arrays_in_a_folder, middlebury, file_by_file]


@pytest.mark.parametrize("write", WRITERS)
def test_every_layout_is_read(write: Writer, tmp_path: Path) -> None:
    forward, backward = random_flow()
    given = GivenFlow.read(write(tmp_path, forward, backward))
    for number in range(3):
        assert np.array_equal(given.between(number, number + 1, (6, 8)), forward[number])
        assert np.array_equal(given.between(number + 1, number, (6, 8)), backward[number])


def test_half_precision_is_read(tmp_path: Path) -> None:
    forward, backward = (one.astype(np.float16) for one in random_flow())
    given = GivenFlow.read(safetensors(tmp_path, forward, backward))  # pyright: ignore[reportArgumentType]
    assert np.array_equal(given.between(0, 1, (6, 8)), forward[0].astype(np.float32))


def test_neighbours_further_away_are_reached_step_by_step(tmp_path: Path) -> None:
    """By hand: what moves by (2, 0) at x = 0 is at x = 2, from where it moves by (1, 1)."""
    forward, backward = (np.zeros((2, 4, 6, 2), np.float32) for _ in range(2))
    forward[0, 1, 0], forward[1, 1, 2] = (2, 0), (1, 1)
    backward[1, 2, 5], backward[0, 2, 3] = (-2, 0), (0, -1)
    given = GivenFlow.read(npz(tmp_path, forward, backward))
    assert given.between(0, 2, (4, 6))[1, 0].tolist() == [3, 1]
    assert given.between(2, 0, (4, 6))[2, 5].tolist() == [-2, -1]


def test_what_leaves_the_frame_on_the_way_is_unknown(tmp_path: Path) -> None:
    forward, backward = (np.zeros((2, 4, 6, 2), np.float32) for _ in range(2))
    forward[0, 1, 5] = (2, 0)
    found = GivenFlow.read(npz(tmp_path, forward, backward)).between(0, 2, (4, 6))
    assert np.isnan(found[1, 5]).all()
    assert np.isfinite(found).all(-1).sum() == 23


def test_at_another_size_it_is_in_its_pixels(tmp_path: Path) -> None:
    forward, backward = (np.full((1, 6, 8, 2), (2, 3), np.float32) for _ in range(2))
    given = GivenFlow.read(npz(tmp_path, forward, backward))
    assert np.allclose(given.between(0, 1, (3, 4)), (1, 1.5))
    assert np.allclose(given.between(0, 1, (12, 16)), (4, 6))


def test_padding_moves_as_the_rim_does(tmp_path: Path) -> None:
    forward, backward = random_flow(1)
    clip = GivenFlow.read(npz(tmp_path, forward, backward)).padded((8, 6))
    found = clip.between(0, 1, (8, 16))
    assert np.array_equal(found[:6, :8], forward[0])
    assert np.array_equal(found[7, 15], forward[0, 5, 7])


def test_flow_of_the_whole_video_serves_a_range_of_it(tmp_path: Path) -> None:
    forward, backward = random_flow(9)
    given = GivenFlow.read(npz(tmp_path, forward, backward))
    part = given.of_clip(3, (8, 6), numbers=[4, 5, 6], whole=10)
    assert np.array_equal(part.between(0, 1, (6, 8)), forward[4])
    assert np.array_equal(part.between(2, 1, (6, 8)), backward[5])


@pytest.mark.parametrize("frames", [2, 3, 5, 11])
def test_another_number_of_frames_is_refused(frames: int, tmp_path: Path) -> None:
    given = GivenFlow.read(npz(tmp_path, *random_flow(3)))
    with pytest.raises(InputError, match=f"a flow of 3 pairs of frames, expected {frames - 1} for {frames}"):
        given.of_clip(frames, (8, 6), numbers=range(frames), whole=20)


def test_a_single_frame_needs_none_of_it(tmp_path: Path) -> None:
    given = GivenFlow.read(npz(tmp_path, *random_flow(3))).of_clip(1, (8, 6))
    assert not motion_of(torch.rand(1, 3, 6, 8), 1, provider=given).weight.any()


def test_another_shape_is_refused_and_another_size_is_not(tmp_path: Path) -> None:
    given = GivenFlow.read(npz(tmp_path, *random_flow(3, 60, 80)))
    given.of_clip(4, (320, 240))
    with pytest.raises(InputError, match="a flow of 80 x 60 pixels, the video has 60 x 80"):
        given.of_clip(4, (60, 80))


def test_known_motion_is_followed(tmp_path: Path) -> None:
    flow = np.zeros((3, 48, 64, 2), np.float32)
    flow[..., 0] = 2
    motion = motion_of(panning(4, 2), 2, provider=GivenFlow.read(npy(tmp_path, flow, -flow)))
    assert (motion.flow[3, 0, 0, :, :-4] == 4).all()
    assert (motion.flow[0, 3, 0, :, 4:] == -4).all()
    assert (motion.weight[3, 0, 0, :, :-4] > 0.99).all()
    assert not motion.weight[3, 0, 0, :, -4:].any()


def test_values_that_say_unknown_are_unknown(tmp_path: Path) -> None:
    forward, backward = random_flow(1)
    forward[0, 0, 0], forward[0, 1, 1, 1] = (1.7e9, 1.7e9), np.inf
    found = GivenFlow.read(middlebury(tmp_path, forward, backward)).between(0, 1, (6, 8))
    assert np.isnan(found[0, 0]).all() and np.isnan(found[1, 1]).all()
    assert np.isfinite(found).all(-1).sum() == 46


def cut(folder: Path) -> Path:
    path = middlebury(folder, *random_flow())
    file = path / "forward" / "9.flo"
    file.write_bytes(file.read_bytes()[:-1])
    return path


def empty(folder: Path) -> Path:
    (folder / "forward").mkdir()
    (folder / "backward").mkdir()
    return folder


def one_way(folder: Path) -> Path:
    np.savez(folder / "flow.npz", forward=random_flow()[0])
    return folder / "flow.npz"


def one_way_in_a_folder(folder: Path) -> Path:
    np.save(folder / "forward.npy", random_flow()[0])
    return folder


def unlike(folder: Path) -> Path:
    return npz(folder, random_flow(3)[0], random_flow(2)[1])


def sizes_change(folder: Path) -> Path:
    path = file_by_file(folder, *random_flow())
    np.save(path / "forward" / "0001.npy", random_flow(1, 5)[0][0])
    return path


def objects(folder: Path) -> Path:
    np.save(folder / "flow.npy", np.array([None, "x"], object))
    return folder / "flow.npy"


def words(folder: Path) -> Path:
    np.savez(folder / "flow.npz", forward=np.array(["a"]), backward=np.array(["b"]))
    return folder / "flow.npz"


def text(name: str) -> Callable[[Path], Path]:
    def written(folder: Path) -> Path:
        (folder / name).write_text("not this")
        return folder / name

    return written


def three_channels(folder: Path) -> Path:
    np.savez(folder / "flow.npz", forward=np.zeros((3, 4, 5, 3)), backward=np.zeros((3, 4, 5, 3)))
    return folder / "flow.npz"


def no_pairs(folder: Path) -> Path:
    return npz(folder, *random_flow(0))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (cut, "9.flo: no whole .flo file"),
        (empty, "forward: no .flo or .npy file in it"),
        (one_way, "no array backward in it"),
        (one_way_in_a_folder, "a flow without backward"),
        (unlike, "forward flow of 3 x 8 x 6, backward flow of 2 x 8 x 6"),
        (sizes_change, "a flow of 8 x 5 pixels, 0000.npy has 8 x 6"),
        (objects, "cannot be read"),
        (words, "values of type"),
        (three_channels, r"an array of \(3, 4, 5, 3\), expected \(frames - 1, height, width, 2\)"),
        (no_pairs, r"an array of \(0, 6, 8, 2\)"),
        (text("flow.npy"), "cannot be read as flow"),
        (text("flow.npz"), "cannot be read as flow"),
        (text("flow.safetensors"), "cannot be read as flow"),
        (text("flow.mp4"), "cannot read flow from .mp4"),
        (text("flow"), "cannot read flow from a file without a suffix"),
    ],
)
def test_what_is_no_flow_is_told(make: Callable[[Path], Path], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        GivenFlow.read(make(tmp_path))
