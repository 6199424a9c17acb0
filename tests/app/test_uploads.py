"""Uploaded files, and what browsers are shown of videos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frameweave.app.pictures import Shown
from frameweave.app.telling import told, without_folders
from frameweave.app.uploads import NoSuchUpload, Uploads
from frameweave.errors import InputError
from frameweave.video import probe
from videos import colour_ramp, write_video


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "runs" / "uploads", 10**6)


def test_a_video_is_kept_by_its_content(uploads: Uploads, video: Path, tmp_path: Path) -> None:
    first = uploads.keep(video, "../My Clip.mp4")
    assert first.name == "My Clip.mp4" and first.path.name.startswith("my-clip-")
    assert first.path.read_bytes() == video.read_bytes()
    facts = (first.width, first.height, first.frames, first.fps, first.seconds, first.sound)
    assert facts == (32, 32, 2, 8.0, 0.25, True)
    with video.open("rb") as opened:
        assert uploads.keep(opened, "My Clip.mp4").path == first.path
    other = write_video(tmp_path / "b.mp4", colour_ramp(3, (32, 32)))
    assert uploads.keep(other, "My Clip.mp4").path != first.path


@pytest.mark.parametrize("name", ["C:\\x\\evil.mp4", "/etc/evil.mp4", "..\\..\\evil.mp4", "a/../evil.mp4"])
def test_a_name_leads_nowhere(uploads: Uploads, video: Path, name: str) -> None:
    kept = uploads.keep(video, name)
    assert kept.name == "evil.mp4" and kept.path.parent.name == "uploads"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.mp4", b"nothing", "a.mp4: not a readable video"),
        ("a.png", b"nothing", "a.png"),
        ("a.exe", b"MZ", "a.exe: not a video's name"),
        ("", b"", "video: not a video's name"),
        ("a.mp4", bytes(10**6 + 1), "a.mp4: larger than 1 MB"),
    ],
)
def test_what_is_no_video_is_refused(
    uploads: Uploads, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        uploads.keep(tmp_path / "file", name)
    assert str(tmp_path) not in str(error.value)
    assert list((tmp_path / "runs" / "uploads").iterdir()) == []


def test_what_no_run_names_goes(uploads: Uploads, video: Path, tmp_path: Path) -> None:
    kept = uploads.keep(video, "kept.mp4").path
    gone = uploads.keep(write_video(tmp_path / "b.mp4", colour_ramp(3, (32, 32))), "gone.mp4").path
    others = [kept.with_name(name) for name in ("holiday.mp4", "notes.txt", "deadbeef.png")]
    for file in others:
        file.write_bytes(b"precious")
    uploads.remove_others([f'video = "{kept}"'])
    assert kept.exists() and not gone.exists() and all(file.exists() for file in others)


def test_a_mask_is_a_png(uploads: Uploads, tmp_path: Path) -> None:
    Image.new("L", (4, 4), 255).save(tmp_path / "m.png")
    kept = uploads.keep_mask((tmp_path / "m.png").read_bytes())
    assert kept == uploads.keep_mask(kept.read_bytes())
    with pytest.raises(InputError, match="no PNG"):
        uploads.keep_mask(b"no picture")


def test_pictures_of_a_video(tmp_path: Path) -> None:
    frames = np.zeros((4, 400, 800, 3), np.uint8)
    frames[2] = (200, 40, 40)
    video = write_video(tmp_path / "a.mp4", frames, fps=4)
    shown = Shown(tmp_path / "shown")
    poster, later = Image.open(shown.poster(video)), Image.open(shown.frame(video, 0.6))
    assert poster.size == (320, 160) and later.size == (640, 320)
    for picture in (poster, later):
        red, green, _ = picture.getpixel((9, 9))  # type: ignore[misc]
        assert abs(red - 200) < 9 and abs(green - 40) < 9
    first = Image.open(shown.frame(video, 0.0)).getpixel((9, 9))
    assert max(first) < 9  # type: ignore[arg-type, type-var]
    assert shown.frame(video, 99.0) == shown.frame(video, 0.8)


def test_what_browsers_play_stays(tmp_path: Path, video: Path) -> None:
    shown = Shown(tmp_path / "shown")
    assert shown.playable(video) == video
    picture = tmp_path / "a.png"
    Image.new("RGB", (1, 7), "red").save(picture)
    copy = shown.playable(picture)
    assert (probe(copy).width, probe(copy).height) == (2, 6)
    assert shown.playable(picture) == copy


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("/srv/me/a.mp4: no", "a.mp4: no"),
        ("see '/srv/me/runs/x/', 3/4 of it", "see 'x/', 3/4 of it"),
        ("~/models/a and ../b/c.safetensors", "a and c.safetensors"),
        ("https://example.org/a/b and owner/name", "https://example.org/a/b and owner/name"),
        ("10 m/s", "10 m/s"),
    ],
)
def test_texts_without_folders(text: str, short: str) -> None:
    assert without_folders(text) == short


def test_what_is_no_fault_of_ours_keeps_its_hint() -> None:
    assert told(InputError("/a/b.mp4: no", hint="check it")) == ("b.mp4: no", "check it")
    message, hint = told(KeyError("x"))
    assert message == "KeyError: 'x'" and "log.jsonl" in hint


def test_uploads_are_known_by_the_names_of_their_files(uploads: Uploads, video: Path) -> None:
    kept = uploads.keep(video, "My Clip.mp4")
    assert uploads.known(kept.path.name) == kept
    again = Uploads(kept.path.parent, 10**6).known(kept.path.name)  # after a restart
    assert (again.path, again.frames, again.sound) == (kept.path, 2, True)
    for name in ("nothing.mp4", "../a clip.mp4", "..", "", f"./{kept.path.name}", ".hidden", "\0"):
        with pytest.raises(InputError, match="no such upload"):
            uploads.known(name)


def test_a_name_that_no_file_can_have_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoSuchUpload):
        Uploads(tmp_path, 10**6).known("a" * 300)
