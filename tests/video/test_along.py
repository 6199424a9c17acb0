"""Sound, subtitles and titles of odd files: kept, encoded anew or left out with a word; pictures stay."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from frameweave.video import VideoWriter, read_frames
from frameweave.video.along import Along
from frameweave.video.clip import Clip
from frameweave.video.writing import lost_along
from odd_videos import card, frame_of, joined, number_of
from videos import sound_packets

RATE = 48_000


def tone(seconds: float, channels: int, rate: int) -> NDArray[np.float32]:
    """A tone in each channel, the later ones higher: channels x samples."""
    ticks = np.arange(int(seconds * rate))
    return np.stack([0.3 * np.sin(ticks * 0.03 * (2 + k)) for k in range(channels)]).astype(np.float32)


def recorded(
    path: Path,
    tracks: Sequence[tuple[str, str, str]],
    *,
    seconds: float = 0.8,
    rate: int = RATE,
    kind: str | None = None,
    video: str = "libx264",
    fps: int = 10,
    titles: dict[str, str] | None = None,
) -> Path:
    """Eight cards with tracks of (codec, channels, language)."""
    with av.open(str(path), "w", format=kind) as file:
        file.metadata.update(titles or {})
        stream = file.add_stream(video, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sounds = []
        for codec, layout, language in tracks:
            sound = file.add_stream(codec, rate=rate, layout=layout)
            sound.metadata["language"] = language
            sounds.append(sound)
        for number in range(8):
            file.mux(stream.encode(frame_of(card(number), "yuv420p", 5, full=False)))
        file.mux(stream.encode(None))
        for sound in sounds:
            wave = tone(seconds, sound.layout.nb_channels, rate)
            for start in range(0, wave.shape[1], 1024):
                part = np.ascontiguousarray(wave[:, start : start + 1024])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=sound.layout.name)
                frame.sample_rate, frame.pts = rate, start
                file.mux(sound.encode(frame))
            file.mux(sound.encode(None))
    return path


def written(source: Path, target: Path, *, frames: int | None = None, **how: bool) -> Path:
    """The source's pictures with what goes along, as an edit writes them."""
    along = Along(source, **({"whole": frames is None} | how))
    with VideoWriter(target, size=(64, 48), fps=10, audio=along) as writer:
        for frame in read_frames(source, first=frames):
            writer.write(frame.pixels, frame.time, frame.duration)
    count = len([number_of(frame.pixels) for frame in read_frames(target)])
    assert count == (frames or len(list(read_frames(source))))
    return target


def tracks_of(path: Path) -> list[tuple[str, int, float]]:
    """Codec, channels and seconds of each sound track, by decoding it."""
    found = []
    with av.open(str(path)) as file:
        count = len(file.streams.audio)
    for index in range(count):
        with av.open(str(path)) as file:
            stream = file.streams.audio[index]
            samples = sum(frame.samples for frame in file.decode(stream))
            found.append((stream.codec_context.name, stream.layout.nb_channels, samples / stream.rate))
    return found


def near(seconds: float) -> object:
    return pytest.approx(seconds, abs=0.06)  # two packets


def test_sound_that_lasts_longer_is_kept_with_all_pictures(tmp_path: Path) -> None:
    source = recorded(tmp_path / "a.mp4", [("aac", "stereo", "eng")], seconds=3)
    assert tracks_of(written(source, tmp_path / "b.mp4")) == [("aac", 2, near(3))]
    assert sound_packets(tmp_path / "b.mp4") == sound_packets(source)
    assert tracks_of(written(source, tmp_path / "c.webm")) == [("opus", 2, near(3))]
    assert tracks_of(written(source, tmp_path / "d.mp4", frames=4)) == [("aac", 2, near(0.4))]
    clip = Clip.read(source)
    clip.write(tmp_path / "e.mp4")
    assert sound_packets(tmp_path / "e.mp4") == sound_packets(source)
    clip.first(4).write(tmp_path / "f.mp4")
    assert tracks_of(tmp_path / "f.mp4") == [("aac", 2, near(0.4))]


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1", "quad"])
@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "aac"), (".mkv", "flac"), (".webm", "opus")])
def test_sound_that_is_encoded_anew_keeps_its_channels(
    tmp_path: Path, layout: str, suffix: str, codec: str
) -> None:
    source = recorded(tmp_path / "a.mkv", [("flac", layout, "eng")])
    channels = {"mono": 1, "stereo": 2, "5.1": 6, "quad": 4}[layout]
    found = tracks_of(written(source, tmp_path / f"b{suffix}"))
    assert found == [(codec, channels, near(0.8))]
    anew = lost_along(Along(source), suffix)
    assert anew == (() if suffix == ".mkv" else (f"sound track 1 (flac) is encoded anew as {codec}",))


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_every_rate_can_be_encoded_anew(tmp_path: Path, rate: int, suffix: str) -> None:
    source = recorded(tmp_path / "a.mkv", [("flac", "mono", "eng")], rate=rate)
    ((_, channels, seconds),) = tracks_of(written(source, tmp_path / f"b{suffix}"))
    assert (channels, seconds) == (1, pytest.approx(0.8, abs=0.15))


def test_all_tracks_their_languages_and_the_title_are_kept(tmp_path: Path) -> None:
    tracks = [("aac", "stereo", "eng"), ("aac", "mono", "deu"), ("ac3", "stereo", "fra")]
    source = recorded(tmp_path / "a.mp4", tracks, titles={"title": "A car", "comment": "red"})
    for suffix in (".mp4", ".mkv"):
        target = written(source, tmp_path / f"b{suffix}")
        with av.open(str(target)) as file:
            assert [stream.language for stream in file.streams.audio] == ["eng", "deu", "fra"]
            assert [stream.layout.nb_channels for stream in file.streams.audio] == [2, 1, 2]
            told = {key.lower(): value for key, value in file.metadata.items()}
            assert (told["title"], told["comment"]) == ("A car", "red")
        assert copied(target, source)


def copied(target: Path, source: Path) -> bool:
    """Packet by packet; an mkv begins with the first picture, without what its tracks have before."""
    found, given = sound_packets(target), sound_packets(source)
    if target.suffix != ".mkv":
        return found == given
    with av.open(str(source)) as file:
        tracks = len(file.streams.audio)
    left = iter(given)
    return all(packet in left for packet in found) and len(given) - len(found) <= tracks


def test_the_sound_may_be_left_out(tmp_path: Path) -> None:
    source = recorded(tmp_path / "a.mp4", [("aac", "stereo", "eng")], titles={"title": "A car"})
    target = written(source, tmp_path / "b.mp4", sound=False)
    assert tracks_of(target) == []
    with av.open(str(target)) as file:
        assert file.metadata["title"] == "A car"
    assert lost_along(Along(source), ".gif") == ("this format has no sound",)
    assert lost_along(Along(source, sound=False), ".gif") == ()
    written(source, tmp_path / "b.gif")


def renamed(path: Path, which: int) -> Path:
    """The track of that number gets a codec that nobody knows."""
    data = path.read_bytes()
    for old, new in ((b"mp4a", b"apac"), (b"esds", b"free")):
        places = [place for place in range(len(data)) if data[place : place + 4] == old]
        data = data[: places[which]] + new + data[places[which] + 4 :]
    path.write_bytes(data)
    return path


def test_unknown_formats_of_sound_are_left_out(tmp_path: Path) -> None:
    one = renamed(recorded(tmp_path / "a.mp4", [("aac", "mono", "eng")]), 0)
    assert lost_along(Along(one), ".mp4") == ("sound track 1 is in an unknown format: left out",)
    assert tracks_of(written(one, tmp_path / "b.mp4")) == []
    two = renamed(recorded(tmp_path / "c.mp4", [("aac", "mono", "eng"), ("aac", "stereo", "deu")]), 0)
    assert tracks_of(written(two, tmp_path / "d.mp4")) == [("aac", 2, near(0.8))]


def spoilt(path: Path, share: tuple[float, float], starts: Callable[[bytes], bool]) -> Path:
    """The payload of sound packets in that part of the file is noise."""
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(0)
    with av.open(str(path)) as file:
        packets = [p for p in file.demux(file.streams.audio[0]) if p.size and p.pos is not None]
        for packet in packets[int(share[0] * len(packets)) : int(share[1] * len(packets))]:
            payload = bytes(packet)
            place = data.find(payload[:64])
            assert starts(payload) and place >= 0
            size = min(packet.size, 1500)
            data[place : place + size] = rng.bytes(size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_sound_of_noise_is_left_out_and_damage_is_skipped(tmp_path: Path, suffix: str) -> None:
    options = {"kind": "mpeg", "video": "mpeg2video", "fps": 25}
    noise = recorded(tmp_path / "a.mpg", [("mp2", "stereo", "eng")], seconds=0.3, **options)
    noise = spoilt(noise, (0, 1), bool)
    written(noise, tmp_path / f"b{suffix}")
    flac = recorded(tmp_path / "c.mkv", [("flac", "mono", "eng")], seconds=2)
    written(spoilt(flac, (0.4, 0.6), bool), tmp_path / f"d{suffix}")
    aac = recorded(tmp_path / "e.mp4", [("aac", "mono", "eng")], seconds=2)
    ((_, channels, seconds),) = tracks_of_damaged(
        written(spoilt(aac, (0.4, 0.6), bool), tmp_path / f"f{suffix}")
    )
    assert channels == 1 and seconds > 1


def tracks_of_damaged(path: Path) -> list[tuple[str, int, float]]:
    """As `tracks_of`, passing over what cannot be decoded."""
    with av.open(str(path)) as file:
        stream, samples = file.streams.audio[0], 0
        for packet in file.demux(stream):
            try:
                samples += sum(frame.samples for frame in packet.decode())
            except av.FFmpegError:
                continue
        return [(stream.codec_context.name, stream.layout.nb_channels, samples / stream.rate)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_sound_of_joined_recordings_goes_on(tmp_path: Path, suffix: str) -> None:
    parts = [recorded(tmp_path / f"{name}.ts", [("aac", "mono", "eng")]) for name in ("one", "two")]
    source = joined(tmp_path / "a.ts", *parts)
    ((_, _, seconds),) = tracks_of(written(source, tmp_path / f"b{suffix}"))
    assert seconds == pytest.approx(1.6, abs=0.12)


def with_subtitles(path: Path) -> Path:
    """Cards with two lines of text."""
    text = path.with_suffix(".srt")
    text.write_text(
        "1\n00:00:00,100 --> 00:00:00,300\nred\n\n2\n00:00:00,400 --> 00:00:00,700\nblue\n", "utf-8"
    )
    pictures = recorded(path.with_stem("pictures"), [("aac", "mono", "eng")])
    with av.open(str(path), "w") as file, av.open(str(pictures)) as source, av.open(str(text)) as words:
        pairs = [(source, stream) for stream in (*source.streams.video, *source.streams.audio)]
        outs = {stream: file.add_stream_from_template(stream) for _, stream in pairs}
        lines = file.add_stream_from_template(words.streams.subtitles[0])
        lines.metadata["language"] = "eng"
        for packet in source.demux():
            if packet.size:
                packet.stream = outs[packet.stream]
                file.mux(packet)
        for packet in words.demux():
            if packet.size:
                packet.stream = lines
                file.mux(packet)
    return path


def test_subtitles_are_kept_or_named(tmp_path: Path) -> None:
    source = with_subtitles(tmp_path / "a.mkv")
    target = written(source, tmp_path / "b.mkv")
    with av.open(str(target)) as file:
        (stream,) = file.streams.subtitles
        assert stream.language == "eng"
        lines = [(float(p.pts * p.time_base), bytes(p)) for p in file.demux(stream) if p.size]
    assert lines == [(pytest.approx(0.1, abs=0.01), b"red"), (pytest.approx(0.4, abs=0.01), b"blue")]
    assert lost_along(Along(source), ".mkv") == ()
    named = ("subtitles 1 (subrip) cannot go into this format: left out",)
    assert lost_along(Along(source), ".mp4") == named
    assert tracks_of(written(source, tmp_path / "c.mp4")) == [("aac", 1, near(0.8))]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_what_a_format_takes_is_copied(tmp_path: Path, suffix: str) -> None:
    for codec in ("aac", "libmp3lame", "ac3"):
        source = recorded(tmp_path / "a.mkv", [(codec, "stereo", "eng")])
        assert copied(written(source, tmp_path / f"b{suffix}"), source)
        assert lost_along(Along(source), suffix) == ()


def test_a_file_of_sound_alone_may_go_along(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.m4a"), "w") as file:
        sound = file.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(0.8, 1, RATE), format="fltp", layout="mono")
        frame.sample_rate = RATE
        file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    clip = Clip.read(recorded(tmp_path / "b.mp4", []))
    Clip(clip.frames, clip.times, Along(tmp_path / "a.m4a")).write(tmp_path / "c.mp4")
    assert tracks_of(tmp_path / "c.mp4") == [("aac", 1, near(0.8))]


def test_an_flv_that_begins_later_keeps_its_sound(tmp_path: Path) -> None:
    path, rate = tmp_path / "a.flv", 44_100
    with av.open(str(path), "w") as container:
        video = container.add_stream("flv1", rate=10)
        video.codec_context.time_base = Fraction(1, 1000)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        audio = container.add_stream("libmp3lame", rate=rate, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, rate // 2), np.float32), format="fltp", layout="mono")
        sound.rate = rate
        container.mux(audio.encode(sound))  # from 0 on
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 60, np.uint8), format="rgb24")
            frame.pts, frame.time_base = 25 + 100 * number, Fraction(1, 1000)
            container.mux(video.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    assert lost_along(Along(path), ".mp4") == ()
    assert len(tracks_of(written(path, tmp_path / "b.mp4"))) == 1
