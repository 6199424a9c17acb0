"""Settings of editing, from which flags and run files are made.

Nothing heavy is imported here, so that `--help` answers at once.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from frameweave.editing.model_options import ModelOptions
from frameweave.editing.sampling_options import PromptOptions, SamplingOptions
from frameweave.errors import InputError
from frameweave.runs.engines.options import EngineOptions
from frameweave.runs.settings import (
    Count,
    FixedSeed,
    InputPath,
    NotNegative,
    Quality,
    Rate,
    Seconds,
    Seed,
    Settings,
    Share,
)

_ENOUGH: dict[str, int] = dict.fromkeys(("anchored", "delta", "flatten", "framewise", "shuffled"), 10)
"""Steps with which an editor loses nothing that people see on the Miniature, where its own are more
(docs/experiments/steps.md)."""


class EditorOptions(SamplingOptions):
    """What only editors of videos have."""

    as_published: bool = False
    """Reproduce the editor's published program, with its known defects."""
    audio: bool = True
    """Whether the result keeps the source's sound; --no-audio leaves it out."""
    check_inversion: bool = False
    """Sample the clip back from its inversion and say how close it comes, as PSNR in dB; an inversion from
    the cache is not checked."""
    compare: bool = False
    """Edit with every editor, without and with the adaptor, and show all results in one labelled grid."""
    flow: str | None = None
    """How the source's motion is found, for editors that need it: dis or farneback (OpenCV), none (nothing is
    followed), a name that another package brings, or a file or folder of optical flow; default: dis."""
    cache: Path | None = None
    """The folder where inversions and motion are kept; default: frameweave in the user's cache folder."""
    use_cache: bool = True
    """Whether inversions and motion are kept on the disk and used again by later edits."""


class SteadierOptions(Settings):
    """Whether the result is made steadier."""

    heading = "Editor"

    steady: Share | None = None
    """Make the result of any editor steadier: what it has changed is averaged over neighbouring frames, along
    the motion of the source. 1 is all of it, 0.5 half of it; default: nothing is averaged."""
    steady_radius: Annotated[int, Field(ge=1, le=8)] | None = None
    """Frames before and after each frame over which --steady averages; default: 2."""

    @model_validator(mode="after")
    def _no_radius_of_nothing(self) -> "SteadierOptions":
        if self.steady_radius is not None and not self.steady:
            raise InputError("steady_radius without steady", hint="give --steady, e.g. --steady 1")
        return self


class SourcePromptOptions(PromptOptions):
    """What is known about the source."""

    source_prompt: str = ""
    """A prompt that describes the source; it helps editors that invert the source; default: empty."""


class FootageOptions(Settings):
    """What of a video is edited."""

    heading = "Input"

    frames: Count | None = None
    """Take only this many frames, from the start; default: all."""
    start: Seconds | None = None
    """Edit from this time on, such as 1.5s or 1:02; the rest stays as it is; default: the beginning."""
    end: Seconds | None = None
    """Edit up to this time; the rest stays as it is; default: the end."""
    mask: InputPath | None = None
    """A mask: a picture or a video, white where to edit; the rest stays as it is; default: all is edited."""
    anchor: tuple[str, ...] = ()
    """A frame that you have edited, in any program, such as 40=frame.png: the number of the frame in the
    video, the first is 0, and a picture, which the result has there. The editor anchored carries it to the
    others. It may be given several times."""
    control_map: tuple[str, ...] = ()
    """Pictures that steer a ControlNet, such as canny=edges.mp4: a video, a folder of pictures or one
    picture, of as many frames as are edited or as the video has; default: made from the video. It may be
    given several times."""


class EditOptions(SteadierOptions, EditorOptions, ModelOptions, SourcePromptOptions, FootageOptions):
    """Settings of `frameweave edit`."""

    heading = "Output"

    fps: Rate | None = None
    """Frames per second of the result; default: every frame of the source, at its own time."""
    crf: Quality | None = None
    """Quality of the video file: lower is better and larger, 0 is lossless, which few players show; default:
    16, which looks like the frames, or 24 in a webm file, which counts otherwise."""
    preview: bool = False
    """Write preview.mp4 and preview.png into the run folder and renew them while the edit runs."""
    preview_every: NotNegative = 0
    """Sampling steps between decoded pictures that are kept, such as preview-005.png; 0 keeps none."""
    out: Path | None = None
    """The run folder, or a video such as red.mp4; default: a new folder, such as runs/edit-0007-a-red-car."""
    overwrite: bool = False
    """Replace an earlier run there. Only files that it wrote are removed."""
    resume: bool = True
    """Go on where the same command was interrupted; --no-resume starts anew."""

    def steps_for(self, editor: str, own: int) -> int:
        """Sampling steps of an editor whose own default is `own`: with the Miniature some need fewer."""
        if self.steps is not None:
            return self.steps
        return _ENOUGH.get(editor, own) if self.model == "miniature" and not self.as_published else own

    @property
    def _adaptor_comes_later(self) -> bool:
        """A comparison on the packaged model takes its own adaptor."""
        return self.compare and self.model == "miniature"


class PlanEditOptions(EditOptions):
    """Settings of `frameweave plan edit`: those of `edit`, so that `plan` may stand before any edit."""

    heading = "Plan"

    timed: bool = False
    """Time one call of the network on this machine. Without it the minutes are a rough guess."""


class EditManyOptions(EngineOptions, EditOptions):
    """Settings of `frameweave edit-many`."""

    seed: FixedSeed = 0
    """Random seed; the table's column seed wins over it."""
    workers: NotNegative | None = 1
    """Edits made at once; each loads a model of its own. 0 makes them one by one in this process."""
    out: Path | None = Path("runs/edits")
    """The folder in which every edit gets a folder of its own."""

    @property
    def _adaptor_comes_later(self) -> bool:
        """A line of the table may name one."""
        return True


class GenerateOptions(SamplingOptions, ModelOptions):
    """Settings of `frameweave generate`."""

    heading = "Output"

    editor: str = "text2video_zero"
    """The algorithm; it must be able to make a clip from a prompt alone."""
    frames: Count = 8
    """Number of frames of the clip."""
    control_map: tuple[str, ...] = ()
    """Pictures that steer a ControlNet, such as depth=depth.mp4: a video, a folder of pictures or one
    picture, of as many frames as the clip has, which takes their shape. It may be given several times."""
    fps: Rate = 4.0
    """Frames per second of the result."""
    crf: Quality | None = None
    """Quality of the video file: lower is better and larger, 0 is lossless, which few players show; default:
    16, which looks like the frames, or 24 in a webm file, which counts otherwise."""
    preview: bool = False
    """Write preview.mp4 and preview.png into the run folder and renew them while the clip is made."""
    out: Path | None = None
    """The run folder, or a video such as fish.mp4; default: a new one, such as runs/generate-0003-a-fish."""
    overwrite: bool = False
    """Replace an earlier run there. Only files that it wrote are removed."""
    resume: bool = True
    """Keep what the same command has finished there; --no-resume makes it anew."""


class DemoOptions(Settings):
    """Settings of `frameweave demo`."""

    frames: Count = 16
    """Number of frames to edit."""
    steps: Count = 10
    """Sampling steps."""
    seed: Seed = 0
    """Random seed; -1 draws one and writes it to run.toml."""
    out: Path = Path("runs/demo")
    """The run folder."""
    overwrite: bool = False
    """Replace an earlier run in that folder."""
    open: bool = False
    """Show the page in the browser when it is written."""
