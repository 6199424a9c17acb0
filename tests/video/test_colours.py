"""Colours stay what they are, however often a video is read and written; their tags stay with them."""

from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from av.filter import Graph
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from frameweave.video import Colours, VideoWriter, probe, read_frames
from frameweave.video.clip import Clip
from frameweave.video.colours import to_rgb
from video.test_pixels import COLOURS, stored_by_hand


def soft(size: tuple[int, int] = (64, 48), seed: int = 0) -> NDArray[np.uint8]:
    """A picture of soft colours, which all can be stored."""
    rough = np.random.default_rng(seed).integers(50, 205, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC))


def passes(path: Path, count: int) -> Path:
    """The video after it was read and written so often."""
    for number in range(count):
        target = path.with_stem(f"{path.stem[0]}{number}")
        Clip.read(path).write(target)
        path = target
    return path


def shown(path: Path) -> NDArray[np.float64]:
    return np.stack([frame.pixels for frame in read_frames(path)]).astype(float)


def first_written(path: Path, pixels: NDArray[np.uint8], colours: Colours) -> Path:
    height, width = pixels.shape[:2]
    with VideoWriter(path, size=(width, height), fps=8, colours=colours) as writer:
        for index in range(3):
            writer.write(np.roll(pixels, index, axis=1), Fraction(index, 8), Fraction(1, 8))
    return path


@pytest.mark.parametrize(("matrix", "full"), list(product((1, 5, 6, 9), (False, True))))
def test_ten_passes_keep_the_mean_and_the_tags(tmp_path: Path, matrix: int, full: bool) -> None:
    colours = Colours(matrix, full=full, primaries=matrix, transfer=1)
    before = first_written(tmp_path / "a.mp4", soft(), colours)
    after = passes(before, 10)
    assert probe(after).colours == probe(before).colours == colours
    drift = shown(after).mean((0, 1, 2)) - shown(before).mean((0, 1, 2))
    assert np.abs(drift).max() < 0.5  # of 255, after all ten
    with av.open(str(after)) as container:
        frame = next(container.decode(video=0))
        tags = (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
        assert tags == (matrix, ColorRange.JPEG if full else ColorRange.MPEG, matrix, 1)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_pass_changes_no_mean_by_a_tenth(tmp_path: Path, suffix: str) -> None:
    for seed in range(3):
        source = first_written(tmp_path / f"a{suffix}", soft((160, 96), seed), Colours())
        drift = shown(passes(source, 1)).mean((0, 1, 2)) - shown(source).mean((0, 1, 2))
        assert np.abs(drift).max() < 0.1


@pytest.mark.parametrize(("matrix", "full"), list(product((1, 5, 6, 9), (False, True))))
def test_what_is_written_is_right_by_hand(tmp_path: Path, matrix: int, full: bool) -> None:
    path = tmp_path / "a.mkv"
    with VideoWriter(path, size=(32, 32), fps=8, colours=Colours(matrix, full=full)) as writer:
        for index, colour in enumerate(COLOURS):
            pixels = np.broadcast_to(np.array(colour, np.uint8), (32, 32, 3))
            writer.write(pixels, Fraction(index, 8), Fraction(1, 8))
    with av.open(str(path)) as container:
        for frame, colour in zip(container.decode(video=0), COLOURS, strict=True):
            planes = [bytes(plane)[0] for plane in frame.planes]
            by_hand = stored_by_hand(colour, 5 if matrix == 6 else matrix, full=full)
            assert planes == pytest.approx(by_hand, abs=2)
    for frame, colour in zip(read_frames(path), COLOURS, strict=True):
        assert np.abs(frame.pixels.astype(int) - colour).max() <= 4


def test_reading_is_as_exact_as_ffmpegs_exact_flags(tmp_path: Path) -> None:
    path = first_written(tmp_path / "a.mp4", soft((160, 96)), Colours())
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        graph = Graph()
        source = graph.add_buffer(template=stream)
        flags = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
        scale = graph.add("scale", f"flags={flags}:in_color_matrix=bt709:in_range=tv:in_chroma_loc=left")
        layout, sink = graph.add("format", "pix_fmts=rgb24"), graph.add("buffersink")
        source.link_to(scale)
        scale.link_to(layout)
        layout.link_to(sink)
        graph.configure()
        for frame, own in zip(container.decode(stream), read_frames(path), strict=True):
            graph.push(frame)
            exact = graph.pull().to_ndarray().astype(int)
            assert np.array_equal(exact, own.pixels)


def test_a_difference_of_green_and_of_orange_is_read(tmp_path: Path) -> None:
    """The matrix YCgCo, by its definition."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 8, ColorRange.JPEG
        for red, green, blue in COLOURS:
            numbers = (
                red / 4 + green / 2 + blue / 4,
                128 - red / 4 + green / 2 - blue / 4,
                128 + red / 2 - blue / 2,
            )
            planes = np.rint(np.broadcast_to(np.array(numbers)[:, None, None], (3, 32, 32))).clip(0, 255)
            frame = av.VideoFrame.from_ndarray(planes.astype(np.uint8), format="yuv444p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for frame, colour in zip(read_frames(path), COLOURS, strict=True):
        assert np.abs(frame.pixels.astype(int) - colour).max() <= 2
    assert probe(path).colours.matrix == 1


@pytest.mark.parametrize(("told", "white"), [(ColorRange.MPEG, 235), (ColorRange.JPEG, 255)])
def test_grey_is_read_in_the_range_that_it_is_tagged_with(told: ColorRange, white: int) -> None:
    frame = av.VideoFrame.from_ndarray(np.array([[16, white] * 8] * 16, np.uint8), format="gray")
    frame.color_range = told
    pixels = to_rgb(frame, VideoReformatter(), (16, 16))
    assert pixels[:, 1::2].min() == 255 and pixels[:, ::2].max() == (0 if white == 235 else 16)


def test_rare_matrices_are_read_as_the_nearest_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.colorspace = 10
        container.mux(stream.encode(av.VideoFrame.from_ndarray(soft((32, 32)), format="rgb24")))
        container.mux(stream.encode(None))
    assert probe(path).notes == ("colours of BT.2020 with constant luminance are read as BT.2020",)
    assert len(list(read_frames(path))) == 1


def test_a_small_video_without_tags_stays_what_players_take_it_for(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv444p"
        numbers = np.rint(stored_by_hand((200, 40, 40), 5)).astype(np.uint8)
        planes = np.broadcast_to(numbers[:, None, None], (3, 32, 32)).copy()
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv444p")))
        container.mux(stream.encode(None))
    after = passes(path, 1)
    assert probe(after).colours.matrix == 5
    assert np.abs(shown(after)[0] - (200, 40, 40)).max() <= 4
