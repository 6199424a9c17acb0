"""Single frames are those that reading from the start gives."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from frameweave.errors import InputError
from frameweave.video import Timeline, frames_at, read_frames, timeline
from frameweave.video.clip import Clip
from videos import colour_ramp, write_video


def moving(frames: int, size: tuple[int, int] = (48, 32)) -> np.ndarray:
    """Noise that slides, so that every frame differs and nothing can be guessed."""
    width, height = size
    still = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return np.stack([np.roll(still, 3 * index, axis=1) for index in range(frames)])


def with_groups(path: Path, frames: np.ndarray, *, gop: int, codec: str = "libx264", **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"g": str(gop), **options})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def kinds(folder: Path) -> dict[str, Path]:
    frames = moving(30)
    uneven = [Fraction(k * k + 3 * k, 40) for k in range(30)]
    found = {
        "short groups": with_groups(folder / "a.mp4", frames, gop=5, bf="2"),
        "open groups": with_groups(folder / "b.mkv", frames, gop=6, bf="3", **{"x264-params": "open-gop=1"}),
        "one group": with_groups(folder / "c.mp4", frames, gop=250),
        "reordered": with_groups(folder / "i.avi", frames, gop=5, bf="2"),
        "reordered, open": with_groups(
            folder / "j.avi", frames, gop=6, bf="3", **{"x264-params": "open-gop=1"}
        ),
        "no times": with_groups(folder / "d.avi", frames, gop=5, codec="mpeg4"),
        "uneven": write_video(folder / "e.mp4", frames, times=uneven),
        "turned": write_video(folder / "f.mp4", frames, rotation=90),
        "transport": with_groups(folder / "g.ts", frames, gop=5),
    }
    Image.fromarray(frames[0]).save(
        folder / "h.gif", save_all=True, append_images=[Image.fromarray(f) for f in frames[1:]], duration=100
    )
    (folder / "pictures").mkdir()
    for index, pixels in enumerate(frames):
        Image.fromarray(pixels).save(folder / "pictures" / f"{index:03}.png")
    return found | {"gif": folder / "h.gif", "pictures": folder / "pictures"}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return kinds(tmp_path_factory.mktemp("kinds"))


@pytest.mark.parametrize(
    "kind",
    [
        "short groups",
        "open groups",
        "one group",
        "reordered",
        "reordered, open",
        "no times",
        "uneven",
        "turned",
        "transport",
        "gif",
        "pictures",
    ],
)
def test_frames_and_times_are_those_of_reading_on(kind: str, videos: dict[str, Path]) -> None:
    video = videos[kind]
    expected = list(read_frames(video))
    line = timeline(video)
    assert len(line) == len(expected) == 30
    if kind != "no times":
        assert [float(t) for t in line.times] == pytest.approx([float(p.time) for p in expected], abs=2e-3)
    for wanted in ([0], [29], [7, 8, 9], [3, 17, 18, 26], [28, 12, 12]):
        found = dict(frames_at(video, line, wanted, threads=1))
        assert list(found) == sorted(set(wanted))
        for index, pixels in found.items():
            assert np.array_equal(pixels, expected[index].pixels), (kind, index)


@pytest.mark.parametrize("kind", ["reordered", "reordered, open"])
def test_frames_that_avi_numbers_as_they_are_stored_have_the_times_of_showing(
    kind: str, videos: dict[str, Path]
) -> None:
    found = list(read_frames(videos[kind]))
    assert [picture.time for picture in found] == [Fraction(index, 10) for index in range(30)]
    true = moving(16).astype(int)  # the content comes back after 16 frames
    shown = [int(np.abs(true - picture.pixels).mean((1, 2, 3)).argmin()) for picture in found]
    assert shown == [index % 16 for index in range(30)]


@settings(deadline=None, max_examples=40, derandomize=True)
@given(wanted=st.lists(st.integers(0, 29), min_size=1, max_size=6))
def test_any_choice_of_frames(wanted: list[int], videos: dict[str, Path]) -> None:
    video = videos["open groups"]
    whole = [picture.pixels for picture in read_frames(video)]
    for index, pixels in frames_at(video, timeline(video), wanted, threads=1):
        assert np.array_equal(pixels, whole[index])


def test_a_file_object_is_as_good_as_a_file(videos: dict[str, Path]) -> None:
    video = videos["short groups"]
    with video.open("rb") as file:
        line = timeline(file)
    with video.open("rb") as file:
        found = dict(frames_at(file, line, [11, 12], threads=1))
    whole = [picture.pixels for picture in read_frames(video)]
    assert all(np.array_equal(found[index], whole[index]) for index in (11, 12))


def test_what_is_missing_is_said(videos: dict[str, Path], tmp_path: Path) -> None:
    torn = tmp_path / "torn.mkv"
    data = videos["open groups"].read_bytes()
    torn.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="frame 29 of 30 cannot be decoded"):
        list(frames_at(torn, timeline(videos["open groups"]), [2, 29], threads=1))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match="not a readable video"):
        timeline(tmp_path / "text.mp4")
    write_video(tmp_path / "sound.mp4", colour_ramp(0, (32, 32)), sound=1)
    with pytest.raises(InputError, match="only sound"):
        timeline(tmp_path / "sound.mp4")


def test_where_decoding_starts() -> None:
    line = Timeline(tuple(Fraction(k) for k in range(10)), (0, 4, 8))
    assert [line.start_before(frame) for frame in (0, 3, 4, 7, 8, 9)] == [0, 0, 4, 4, 8, 8]


def damage(path: Path, at: float) -> Path:
    """Other bytes in the first picture of a group that begins at a share of the file."""
    with av.open(str(path)) as container:
        keys = [p for p in container.demux(video=0) if p.is_keyframe and p.pos is not None and p.size]
    key = keys[int(at * len(keys))]
    content = bytearray(path.read_bytes())
    first = (key.pos or 0) + key.size // 3
    content[first : first + 60] = bytes(range(60))
    path.write_bytes(content)
    return path


def test_frames_that_are_built_on_damaged_ones_are_told_or_refused(tmp_path: Path) -> None:
    path = damage(with_groups(tmp_path / "a.mp4", moving(40, (96, 64)), gop=10, bf="0"), 0.5)
    line, notes = timeline(path), list[str]()
    assert [number for number, _ in frames_at(path, line, [3, 35], whole=True)] == [3, 35]
    with pytest.raises(InputError, match=r"frame 27 of 40 is damaged; copy it again") as raised:
        list(frames_at(path, line, [27], whole=True))
    assert raised.value.reason == "damaged"
    assert [number for number, _ in frames_at(path, line, [3, 27], note=notes.append)] == [3, 27]
    assert notes == ["damaged frames are read as far as they can be decoded"]
    Clip.read(path, note=notes.append)
    assert len(notes) > 1


def test_the_shape_of_pixels_is_known(tmp_path: Path) -> None:
    path = with_groups(tmp_path / "a.mp4", moving(3), gop=5)
    assert timeline(path).aspect is None
    write_video(tmp_path / "b.mp4", moving(3), pixel_shape=Fraction(4, 3))
    assert timeline(tmp_path / "b.mp4").aspect == 2


def test_frames_that_look_both_ways_show_the_damage_of_the_next(tmp_path: Path) -> None:
    """They are shown before the damaged frame, and decoded after it."""
    frames = moving(24, (96, 64))
    path = with_groups(tmp_path / "a.mp4", frames, gop=24, bf="2", **{"b-adapt": "0"})
    line = timeline(path)
    whole = [pixels.astype(float) for _, pixels in frames_at(path, line, range(24))]
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][4]  # of frame 6, on which 4 and 5 are built
    content = bytearray(path.read_bytes())
    first = (packet.pos or 0) + packet.size // 10
    content[first : first + 60] = bytes(range(60))
    path.write_bytes(content)
    found = [n for n, pixels in frames_at(path, line, range(24)) if np.abs(pixels - whole[n]).mean() > 4]
    assert {4, 6, 23} <= set(found) <= {n for n in range(24) if _is_damaged(path, line, n)}
    assert not any(_is_damaged(path, line, n) for n in range(4))


def _is_damaged(path: Path, line: Timeline, number: int) -> bool:
    try:
        list(frames_at(path, line, [number], whole=True))
    except InputError:
        return True
    return False
