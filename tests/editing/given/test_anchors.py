"""Edited frames that are given by a number and a picture: read, refused, and put into the result."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.many import edit_many
from frameweave.editing.options import EditManyOptions, EditOptions
from frameweave.errors import InputError, RunError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video import Picture, read_frames
from frameweave.video.writing import VideoWriter
from videos import blobs, write_video

FRAMES = 6


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", blobs(FRAMES))


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditOptions:
    return EditOptions(
        model=str(tiny_folder),
        device="cpu",
        steps=2,
        editor="anchored",
        out=tmp_path / "run",
        use_cache=False,
    )


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Picture]:
    """The frames of results before they are compressed."""
    found: list[Picture] = []
    write = VideoWriter.write

    def watched(self: VideoWriter, pixels: Picture, *args: object) -> None:
        found.append(pixels)
        write(self, pixels, *args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(VideoWriter, "write", watched)
    return found


def picture(path: Path, *, size: tuple[int, int] = (48, 32), mode: str = "RGB", seed: int = 9) -> Path:
    frame = Image.fromarray(blobs(1, seed)[0]).resize(size, Image.Resampling.BICUBIC)
    frame.convert(mode).save(path)
    return path


def unloaded(_options: object) -> StableDiffusion:
    raise AssertionError("the model is loaded before the input is checked")


def test_the_result_has_the_very_picture_there(
    video: Path, options: EditOptions, written: list[Picture], tmp_path: Path
) -> None:
    given = picture(tmp_path / "given.png")
    edit(video, ["a red car"], options.replaced(anchor=(f"4={given}",)))
    assert len(written) == FRAMES
    assert np.array_equal(written[4], np.asarray(Image.open(given)))
    assert not any(np.array_equal(one, written[4]) for one in written[:4])


def test_numbers_are_those_of_the_video(
    video: Path, options: EditOptions, written: list[Picture], tmp_path: Path
) -> None:
    given = picture(tmp_path / "given.png")
    asked = options.replaced(anchor=(f"4={given}",), start=0.25, end=0.7)  # frames 2 to 5
    edit(video, ["a red car"], asked)
    assert np.array_equal(written[4], np.asarray(Image.open(given)))
    with pytest.raises(InputError, match="frame 1 is not among those that are edited, 2 to 5"):
        edit(video, ["a red car"], asked.replaced(anchor=(f"1={given}",)), load=unloaded)


def test_with_a_rate_of_its_own_they_are_those_of_the_result(
    video: Path, options: EditOptions, written: list[Picture], tmp_path: Path
) -> None:
    given = picture(tmp_path / "given.png")
    edit(video, ["a red car"], options.replaced(anchor=(f"2={given}",), fps=4.0))
    assert len(written) == FRAMES // 2
    assert np.array_equal(written[2], np.asarray(Image.open(given)))


def test_a_picture_of_another_size_is_scaled_like_the_frames(
    video: Path, options: EditOptions, written: list[Picture], tmp_path: Path
) -> None:
    given = picture(tmp_path / "large.jpg", size=(480, 320))
    edit(video, ["a red car"], options.replaced(anchor=(f"0={given}",)))
    near = np.asarray(Image.open(given).resize((48, 32), Image.Resampling.BICUBIC), np.float32)
    assert float(np.abs(written[0] - near).mean()) < 3


def test_outside_of_a_mask_the_source_stays(
    video: Path, options: EditOptions, written: list[Picture], tmp_path: Path
) -> None:
    mask = np.zeros((32, 48), np.uint8)
    mask[:, :24] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    given = picture(tmp_path / "given.png")
    edit(video, ["a red car"], options.replaced(anchor=(f"0={given}",), mask=tmp_path / "mask.png"))
    source = next(read_frames(video)).pixels
    assert np.array_equal(written[0][:, :24], np.asarray(Image.open(given))[:, :24])
    assert np.array_equal(written[0][:, 24:], source[:, 24:])


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "1", "CMYK", "I;16"])
def test_pictures_of_every_kind_are_read(
    mode: str, video: Path, options: EditOptions, written: list[Picture], tmp_path: Path
) -> None:
    name = tmp_path / ("given.tif" if mode == "CMYK" else "given.png")
    if mode == "I;16":
        Image.fromarray((blobs(1)[0, :, :, 0].astype(np.uint16)) * 257).save(name)
    else:
        picture(name, mode=mode)
    edit(video, ["a red car"], options.replaced(anchor=(f"1={name}",)))
    assert len(written) == FRAMES


def half_transparent(path: Path) -> Path:
    frame = np.concatenate([blobs(1)[0], np.full((32, 48, 1), 255, np.uint8)], 2)
    frame[:4, :4, 3] = 0
    Image.fromarray(frame).save(path)
    return path


def moving(path: Path) -> Path:
    first, *rest = (Image.fromarray(one) for one in blobs(3))
    first.save(path, save_all=True, append_images=rest)
    return path


def text(path: Path) -> Path:
    path.write_text("no picture")
    return path


def test_what_cannot_be_used_is_told_before_the_model_is_loaded(
    video: Path, options: EditOptions, tmp_path: Path
) -> None:
    good = picture(tmp_path / "good.png")
    wrong = {
        (f"6={good}",): "frame 6 is not among those that are edited, 0 to 5",
        (f"-1={good}",): "expected the number of a frame and a picture",
        (str(good),): "expected the number of a frame and a picture",
        ("0=",): "expected the number of a frame and a picture",
        (f"1.5={good}",): "expected the number of a frame and a picture",
        (f"0={good}", f"00={good}"): "frame 0 is given twice",
        (f"0={tmp_path / 'absent.png'}",): "absent.png: no such file",
        (f"0={text(tmp_path / 'text.png')}",): "text.png: not a readable picture",
        (f"0={text(tmp_path / 'text.txt')}",): "text.txt: no picture, expected png",
        (f"0={video}",): "clip.mp4: no picture, expected png",
        (f"0={tmp_path}",): "a folder, expected one picture",
        (f"0={moving(tmp_path / 'moving.webp')}",): "3 pictures in one file, expected one picture",
        (f"0={half_transparent(tmp_path / 'half.png')}",): "half.png: transparent in places",
        (f"0={picture(tmp_path / 'square.png', size=(32, 32))}",): "an edited frame of 32 x 32 pixels",
    }
    for texts, message in wrong.items():
        with pytest.raises(InputError, match=message):
            edit(video, ["a red car"], options.replaced(anchor=texts), load=unloaded)
    assert not (tmp_path / "run").exists()


def test_editors_that_take_none_say_so(video: Path, options: EditOptions, tmp_path: Path) -> None:
    asked = options.replaced(anchor=(f"0={picture(tmp_path / 'a.png')}",))
    with pytest.raises(InputError, match="framewise takes no edited frames"):
        edit(video, ["a red car"], asked.replaced(editor="framewise"), load=unloaded)
    with pytest.raises(InputError, match="--compare with --anchor"):
        compare(video, "a red car", asked.replaced(compare=True))


def test_another_picture_is_another_edit(video: Path, options: EditOptions, tmp_path: Path) -> None:
    asked = options.replaced(anchor=(f"0={picture(tmp_path / 'a.png')}",))
    edit(video, ["a red car"], asked)
    edit(video, ["a red car"], asked, load=unloaded)  # it is finished
    picture(tmp_path / "a.png", seed=3)
    with pytest.raises((InputError, RunError), match="anchor 0"):
        edit(video, ["a red car"], asked, load=unloaded)


def test_a_table_names_pictures_beside_it(video: Path, tiny_folder: Path, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", seed=4)
    (tmp_path / "edits.csv").write_text(
        "video,prompt,name,anchor\nclip.mp4,a red car,two,0=a.png; 5=b.png\nclip.mp4,a red car,none,\n"
        "clip.mp4,a red car,wrong,9=a.png\n"
    )
    options = EditManyOptions(
        model=str(tiny_folder), device="cpu", steps=1, workers=0, editor="anchored", out=tmp_path / "runs"
    )
    found = edit_many(tmp_path / "edits.csv", options)
    assert (found.done, list(found.failed)) == (2, ["wrong"])
    assert "frame 9 is not among" in found.failed["wrong"]
    last = [one.pixels for one in read_frames(tmp_path / "runs" / "two" / "edited.mp4")][-1]
    assert float(np.abs(last.astype(float) - np.asarray(Image.open(tmp_path / "b.png"))).mean()) < 8
    assert (edit_many(tmp_path / "edits.csv", options)).earlier == 2
