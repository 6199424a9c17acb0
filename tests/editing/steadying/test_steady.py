"""`frameweave steady`: any program's video and its source, from file to file."""

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frameweave.editing.steadying.options import SteadyOptions
from frameweave.editing.steadying.steady import steady
from frameweave.editing.steadying.window import Window
from frameweave.errors import InputError, RunError
from frameweave.progress import Notes
from frameweave.runs.run import read_run
from frameweave.video import probe, read_frames
from killed import Killed
from videos import blobs, sound_packets, write_video

NOISE = np.random.default_rng(0).normal(0, 15, (8, 32, 48, 3))


def edit_of(source: np.ndarray) -> np.ndarray:
    """The same with other colours, which flicker."""
    colours = 0.5 * source[:8, ..., ::-1] + 60
    return np.clip(colours + NOISE[: len(source)], 0, 255).astype(np.uint8)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", blobs(8), fps=8)


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    return write_video(tmp_path / "b.mp4", edit_of(blobs(8)), fps=8, sound=1)


@pytest.fixture
def options(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SteadyOptions:
    monkeypatch.chdir(tmp_path)
    return SteadyOptions(source=source, out=tmp_path / "run")


def times(video: Path) -> list[Fraction]:
    return [frame.time for frame in read_frames(video)]


def pixels(video: Path) -> np.ndarray:
    return np.stack([frame.pixels for frame in read_frames(video)]).astype(float)


def test_size_times_and_sound_are_kept_and_flicker_goes(edited: Path, options: SteadyOptions) -> None:
    notes = Notes()
    done = steady(edited, options, progress=notes)
    assert done.video == options.out / "steady.mp4"
    assert times(done.video) == times(edited)
    assert sound_packets(done.video) == sound_packets(edited) != []
    assert sound_packets(steady(edited, options.replaced(audio=False, out=Path("quiet"))).video) == []
    assert done.figures["temporal_error_after"] < 0.5 * done.figures["temporal_error_before"]
    assert done.figures["sharpness_after"] < done.figures["sharpness_before"]
    result = read_run(options.out).result
    assert (result["frames"], result["shots"]) == (8, 1)
    assert {name: result[name] for name in done.figures} == done.figures
    assert any(note.startswith("temporal error 0.") for note in notes.texts)


def test_it_is_kept_and_a_changed_input_is_another(
    edited: Path, source: Path, options: SteadyOptions
) -> None:
    notes = Notes()
    first, again = (steady(edited, options, progress=notes) for _ in range(2))
    assert "this video is finished already" in notes.texts
    assert (first.video, first.figures) == (again.video, again.figures)
    with pytest.raises(RunError, match="strength = 1.0, this one 0.5"):
        steady(edited, options.replaced(strength=0.5))
    write_video(source, 255 - blobs(8), fps=8)
    with pytest.raises(RunError, match="has changed since it began"):
        steady(edited, options)
    steady(edited, options.replaced(overwrite=True))


def test_a_killed_run_leaves_nothing_and_begins_anew(
    edited: Path, options: SteadyOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = steady(edited, options.replaced(out=Path("whole"))).video.read_bytes()
    with monkeypatch.context() as patch:
        original, count = Window._done, [0]

        def killing(self: Window, *args: object) -> object:
            count[0] += 1
            if count[0] == 4:
                raise Killed
            return original(self, *args)

        patch.setattr(Window, "_done", killing)
        with pytest.raises(Killed):
            steady(edited, options.replaced(out=Path("calm.mp4")))
    assert not Path("calm.mp4").exists()
    done = steady(edited, options.replaced(out=Path("calm.mp4")))
    assert done.video.read_bytes() == whole
    assert steady(edited, options.replaced(out=Path("calm.mp4"))).figures == done.figures
    assert not list(Path().glob(".calm*"))


def test_a_folder_of_its_own_is_made(edited: Path, options: SteadyOptions) -> None:
    assert steady(edited, options.replaced(out=None)).video == Path("runs/steady-0001-b/steady.mp4")


def test_folders_of_pictures(options: SteadyOptions, tmp_path: Path) -> None:
    """Of an odd size, as other programs write them."""
    for name, frames in (("source", blobs(5)), ("edited", edit_of(blobs(5)))):
        (tmp_path / name).mkdir()
        for number, frame in enumerate(frames[:, :31, :47]):
            Image.fromarray(frame).save(tmp_path / name / f"{number}.png")
    done = steady(tmp_path / "edited", options.replaced(source=tmp_path / "source"))
    assert (probe(done.video).width, probe(done.video).height, len(times(done.video))) == (47, 31, 5)


def test_pictures_of_a_video_get_its_times(source: Path, options: SteadyOptions, tmp_path: Path) -> None:
    uneven = write_video(tmp_path / "u.mp4", blobs(4), times=[Fraction(t, 30) for t in (0, 1, 2, 8)])
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(edit_of(blobs(4))):
        Image.fromarray(frame).save(tmp_path / "frames" / f"{number}.png")
    done = steady(tmp_path / "frames", options.replaced(source=uneven))
    assert times(done.video) == times(uneven)


def test_a_source_of_another_size_is_scaled(edited: Path, options: SteadyOptions, tmp_path: Path) -> None:
    large = np.repeat(np.repeat(blobs(8), 2, axis=1), 2, axis=2)
    notes = Notes()
    done = steady(edited, options.replaced(source=write_video(tmp_path / "l.mp4", large)), progress=notes)
    assert "the source is scaled from 96 x 64 to 48 x 32" in notes.texts
    assert done.figures["temporal_error_after"] < 0.5 * done.figures["temporal_error_before"]


def test_a_longer_source_is_cut_or_taken_by_its_times(
    edited: Path, options: SteadyOptions, tmp_path: Path
) -> None:
    notes, exact = Notes(), steady(edited, options.replaced(out=Path("exact")))
    longer = write_video(tmp_path / "l.mp4", blobs(11), fps=8)
    first = steady(edited, options.replaced(source=longer, out=Path("longer")), progress=notes)
    assert "the source has 11 frames, the edited video 8: its first 8 are taken" in notes.texts
    assert first.figures == pytest.approx(exact.figures, rel=0.05)
    twice = write_video(tmp_path / "t.mp4", np.repeat(blobs(8), 2, axis=0), fps=16)
    second = steady(edited, options.replaced(source=twice, out=Path("twice")), progress=notes)
    assert "the source has 16 frames, the edited video 8: they are taken by their times" in notes.texts
    assert second.figures == pytest.approx(exact.figures, rel=0.05)


def test_nothing_is_lost_at_a_cut(options: SteadyOptions, tmp_path: Path) -> None:
    both = np.concatenate([blobs(4), 255 - blobs(4, seed=3)[:, ::-1]])
    edited = write_video(tmp_path / "e.mp4", edit_of(both))
    notes = Notes()
    steady(edited, options.replaced(source=write_video(tmp_path / "s.mp4", both)), progress=notes)
    assert "2 shots: nothing is averaged over the cuts between them" in notes.texts
    assert read_run(options.out).result["shots"] == 2


def test_outside_of_the_mask_the_source_stays(edited: Path, source: Path, options: SteadyOptions) -> None:
    mask = np.zeros((32, 48), np.uint8)
    mask[:, 24:] = 255
    Image.fromarray(mask).save("mask.png")
    done = steady(edited, options.replaced(mask=Path("mask.png")))
    change = np.abs(pixels(done.video) - pixels(source))
    assert change[:, :, :20].mean() < 4
    assert change[:, :, 28:].mean() > 15


@pytest.mark.parametrize("flow", ["farneback", "none"])
def test_flow_by_name(edited: Path, options: SteadyOptions, flow: str) -> None:
    figures = steady(edited, options.replaced(flow=flow)).figures
    assert figures["temporal_error_after"] < figures["temporal_error_before"]


def test_flow_of_a_file(edited: Path, options: SteadyOptions) -> None:
    """A pan by a pixel a frame, as it is drawn. A file of other contents is another run."""
    flow = np.zeros((2, 7, 32, 48, 2), np.float32)
    flow[0, ..., 0], flow[1, ..., 0] = 1, -1
    np.save("flow.npy", flow)
    options = options.replaced(flow="flow.npy")
    figures = steady(edited, options).figures
    assert figures["temporal_error_after"] < 0.5 * figures["temporal_error_before"]
    np.save("flow.npy", 0 * flow)
    with pytest.raises(RunError, match=r"flow.npy has changed since it began"):
        steady(edited, options)
    np.save("flow.npy", flow[:, :5])
    with pytest.raises(InputError, match="a flow of 5 pairs of frames, expected 7 for 8 frames"):
        steady(edited, options)


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        (blobs(5), 8, r"s.mp4: 5 frames, expected 8, as many as .*b.mp4 has"),
        (blobs(8)[:, :, :24], 8, r"s.mp4: a source of 24 x 32 pixels, the video has 48 x 32"),
        (blobs(30), 30, None),
        (np.repeat(blobs(8), 8, axis=0), 30, r"s.mp4: 64 frames in 2.13 s, the edited video has 8 in 1.00 s"),
    ],
)
def test_a_source_that_does_not_fit(
    edited: Path, options: SteadyOptions, tmp_path: Path, frames: np.ndarray, fps: int, message: str | None
) -> None:
    options = options.replaced(source=write_video(tmp_path / "s.mp4", frames, fps=fps))
    if message is None:
        assert steady(edited, options).video.is_file()
        return
    with pytest.raises(InputError, match=message):
        steady(edited, options)
    assert not options.out.exists()


def test_wrong_input_is_told(edited: Path, source: Path, options: SteadyOptions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no source") as error:
        steady(edited, options.replaced(source=None))
    assert "--source" in str(error.value.hint)
    with pytest.raises(InputError, match="no flow|flow"):
        steady(edited, options.replaced(flow="raft"))
    with pytest.raises(InputError, match="given both as the edited and as --out"):
        steady(edited, options.replaced(out=edited))
    for wrong in ({"strength": 2}, {"radius": 0}, {"radius": 99}, {"low_pass": -1}):
        with pytest.raises(InputError, match="expected"):
            options.replaced(**wrong)
    Image.new("L", (48, 32)).save("black.png")
    with pytest.raises(InputError, match="the mask is all black"):
        steady(edited, options.replaced(mask=Path("black.png")))
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(b"nothing")
    with pytest.raises(InputError):
        steady(torn, options)
    assert not options.out.exists()


def test_one_frame_stays(options: SteadyOptions, tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.mp4", edit_of(blobs(1)))
    done = steady(one, options.replaced(source=write_video(tmp_path / "s.mp4", blobs(1))))
    assert np.abs(pixels(done.video) - pixels(one)).mean() < 3
    assert done.figures.keys() == {"sharpness_before", "sharpness_after"}


def test_a_source_that_is_the_edited_video(edited: Path, options: SteadyOptions, tmp_path: Path) -> None:
    copy = shutil.copy(edited, tmp_path / "copy.mp4")
    done = steady(edited, options.replaced(source=copy))
    assert done.figures["temporal_error_after"] == done.figures["temporal_error_before"]
    assert done.figures["sharpness_after"] == 1
