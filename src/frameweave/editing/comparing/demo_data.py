"""The demo's training data: a small MSR-VTT of the world's clips, prepared as shards and looked at."""

from pathlib import Path

from frameweave.data.options import PrepareOptions, ShowOptions
from frameweave.data.prepare import prepare
from frameweave.data.show import show
from frameweave.progress import SILENT, Progress
from frameweave.world.msrvtt_shaped import write_msrvtt_shaped

_CLIPS, _FRAMES, _SIZE = 8, 12, 64


def prepared_data(folder: Path, *, seed: int = 0, progress: Progress = SILENT) -> Path:
    """Write mp4 files with annotations, turn them into shards, and draw some of their groups.

    All of it lies in `folder`; returns the picture.
    """
    source = write_msrvtt_shaped(folder / "msrvtt", _CLIPS, seed=seed, frames=_FRAMES, progress=progress)
    anew = "overwrite" if (folder / "shards").exists() else "resume"
    shards = PrepareOptions(out=folder / "shards", size=_SIZE, workers=0, mode=anew)
    prepare(str(source), shards, progress=progress)
    drawn = show(folder / "shards", ShowOptions(out=folder / "sheet", groups=4, seed=seed))
    return Path(drawn["picture"])
