"""What of a file can go along with new pictures: its sound tracks, its subtitles, its title."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Stream

from frameweave.video.opening import container_of
from frameweave.video.sequences import is_pictures

_TRIED = 200
"""Packets of a track that are decoded in search of sound."""
TITLES = ("title", "artist", "album", "comment", "copyright", "date", "description", "genre")
"""What files tell about themselves and results keep."""


@dataclass(frozen=True)
class Along:
    """A file whose sound, subtitles and title go along with new pictures."""

    path: Path
    sound: bool = True
    whole: bool = False
    """Whether sound and subtitles are kept that last longer than the pictures."""


@dataclass(frozen=True)
class Carried:
    """What a format takes as it is, by FFmpeg's names of codecs."""

    sound: tuple[str, ...] = ()
    """The first one is what other sound becomes; none where there is no sound at all."""
    subtitles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """Which streams of a file go along, by their numbers, and what does not, in words."""

    tracks: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    titles: tuple[tuple[str, str], ...] = ()


def found_in(along: Along, carried: Carried) -> Found:
    """Look at what goes along into such a format; some sound is decoded, so that damage is known."""
    if is_pictures(along.path):
        return Found()
    notes: list[str] = []
    with container_of(along.path) as container:
        streams = container.streams
        tracks = list(_usable(along.path, container, carried, notes)) if along.sound else []
        tracks += [one.index for one in streams.subtitles if codec_of(one) in carried.subtitles]
        left_out = [one for one in streams.subtitles if codec_of(one) not in carried.subtitles]
        for number, stream in enumerate(left_out, 1):
            notes.append(f"subtitles {number} ({codec_of(stream)}) cannot go into this format: left out")
        told = {**container.metadata, **(streams.video[0].metadata if streams.video else {})}
        if "timecode" in told:
            notes.append(f"the timecode {told['timecode']} is not kept")
        titles = tuple((key, value) for key, value in container.metadata.items() if key.lower() in TITLES)
    return Found(tuple(tracks), tuple(notes), titles)


def _usable(file: Path, container: InputContainer, carried: Carried, notes: list[str]) -> Iterator[int]:
    """The sound tracks that can be decoded; notes on the others, and on those that are encoded anew."""
    for number, track in enumerate(container.streams.audio, 1):
        if not carried.sound:
            notes.append("this format has no sound")
            return
        codec = codec_of(track)
        if not codec:
            notes.append(f"sound track {number} is in an unknown format: left out")
        elif not _sounds(file, number - 1):
            notes.append(f"sound track {number} ({codec}) cannot be decoded: left out")
        else:
            if codec not in carried.sound:
                notes.append(f"sound track {number} ({codec}) is encoded anew as {carried.sound[0]}")
            yield track.index


def codec_of(stream: Stream) -> str:
    """The name of a stream's codec, which its decoder may not have; empty where FFmpeg does not know it."""
    context = getattr(stream, "codec_context", None)
    return "" if context is None else str(context.codec.canonical_name)


def _sounds(file: Path, number: int) -> bool:
    """Whether the sound track of that number can be decoded.

    The file is opened anew: not every one can be sought in, such as an flv that begins later.
    """
    with container_of(file) as container:
        track = container.streams.audio[number]
        try:
            for packet in islice(container.demux(track), _TRIED):
                try:
                    if track.decode(packet):
                        return True
                except av.FFmpegError:
                    continue
        except (av.FFmpegError, ValueError):
            return False
    return False
