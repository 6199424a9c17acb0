"""The clips that ship as mp4 files with sound, and how they are made: held-out ones, and a stranger."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from frameweave.video.along import Along
from frameweave.video.clip import Clip
from frameweave.world.grammar import phrase
from frameweave.world.render import render_clip
from frameweave.world.scene import Scenes, sample_scenes
from frameweave.world.strangers import stranger_scenes

FRAMES = 24
FPS = 8
_RATE = 48_000
_MELODY = (262, 330, 392, 523, 392, 330)  # Hz, half a second each

# Seed (it fixes motion and camera), noun, colour, background: combinations that no training saw.
_SHIPPED = (
    (187, "car", "blue", "snow"),
    (131, "duck", "orange", "sand"),
    (250, "elephant", "blue", "grass"),
)
_STRANGER = (1, "rabbit", "red", "snow")
"""The same of what the Miniature never saw: a combination of the strangers' test split."""


@dataclass(frozen=True)
class HeldOutClip:
    """A bundled clip: its file, the scene that it shows, and its plainest caption."""

    path: Path
    scene: Scenes
    caption: str

    @property
    def words(self) -> dict[str, str]:
        """The attributes in words."""
        return self.scene.words(0)

    def rendered(self, frames: int = FRAMES, **edit: str) -> Clip:
        """The scene drawn anew; with `edit` (e.g. colour="red") what a perfect edit would give."""
        scene = self.scene.edited(**edit) if edit else self.scene
        return Clip.of(render_clip(scene, frames).frames, fps=FPS)


def held_out_clips() -> list[HeldOutClip]:
    """The bundled clips, the demo's first."""
    return [_shipped(sample_scenes(1, seed=seed, split="held-out"), *words) for seed, *words in _SHIPPED]


def stranger_clip() -> HeldOutClip:
    """The bundled clip of an object that the Miniature never saw."""
    seed, *words = _STRANGER
    return _shipped(stranger_scenes(1, seed=seed, split="test"), *words)


def _shipped(scene: Scenes, noun: str, colour: str, background: str) -> HeldOutClip:
    scene = scene.edited(noun=noun, colour=colour, background=background, style="plain")
    path = Path(str(files("frameweave"))) / "world" / "clips" / f"{colour}-{noun}-{background}.mp4"
    return HeldOutClip(path, scene, phrase(scene.words(0)))


def write_shipped_clips() -> list[Path]:
    """Write the bundled files anew; they are part of the package."""
    clips = [*held_out_clips(), stranger_clip()]
    for clip in clips:
        write_with_sound(clip.rendered(), clip.path)
    return [clip.path for clip in clips]


def write_with_sound(clip: Clip, path: Path) -> None:
    """Write a clip with a small melody, so that keeping the sound can be heard and tested."""
    with _melody(clip.times[-1]) as sound:
        Clip(clip.frames, clip.times, Along(sound)).write(path)


@contextmanager
def _melody(seconds: Fraction) -> Generator[Path, None, None]:
    t = np.arange(round(seconds * _RATE)) / _RATE
    pitch = np.array(_MELODY)[(t * 2).astype(int) % len(_MELODY)]
    loudness = 0.2 * np.exp(-4 * (t % 0.5))
    wave = (loudness * np.sin(2 * np.pi * pitch * t)).astype(np.float32)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "melody.m4a"
        with av.open(str(path), "w", format="ipod") as container:
            stream = container.add_stream("aac", rate=_RATE, layout="mono")
            assert isinstance(stream, AudioStream)
            for start in range(0, len(wave), 1024):
                frame = AudioFrame.from_ndarray(
                    wave[None, start : start + 1024], format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts = _RATE, start
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        yield path
