"""What a worker does for one shard. Models and guarded decoders are kept from shard to shard."""

import io
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from frameweave.data.depth_maps import Estimate, Maps
from frameweave.data.extraction import Extracted, extract
from frameweave.data.lines import Record
from frameweave.data.options import GroupSettings, ShardSettings
from frameweave.data.plan import ShardPlan, Values
from frameweave.data.shards.seal import Sealed
from frameweave.data.shards.shard import Extract, build_shard
from frameweave.errors import DataError, FrameweaveError, ModelFolderError
from frameweave.runs.engines import Guarded, Stopped


class Item(Record):
    """All that a worker must know."""

    folder: str
    shard: ShardPlan
    settings: Values
    timeout: float | None
    memory_gb: float | None
    device: str


def build(text: str) -> str:
    """Write the shard of an `Item`; return its figures, a `Sealed`. Both travel as JSON."""
    item = Item.model_validate_json(text)
    settings = ShardSettings(**cast("Any", item.settings))
    # models load only where a clip needs one
    needed = settings.depth == "auto" and any(not clip.depth for clip in item.shard.clips)
    estimate = _estimate(settings.depth_model, item.device) if needed else None
    extract = _guarded(item.timeout, item.memory_gb)
    seal = build_shard(Path(item.folder), item.shard, settings, extract, estimate)
    return Sealed(**{name: getattr(seal, name) for name in Sealed.model_fields}).line()


def on_gpu(settings: ShardSettings, device: str) -> bool:
    """Whether workers may load estimators onto a GPU. Raises `InputError` for a device that is not here."""
    if settings.depth != "auto":
        return False
    from frameweave.models.loading.device import torch_device  # noqa: PLC0415 - else prepare does without torch

    return torch_device(device).type != "cpu"


@cache
def _guarded(timeout: float | None, memory_gb: float | None) -> Extract:
    """`extract` in a process of its own, so that a crash or a hang costs one clip."""
    memory = None if memory_gb is None else int(memory_gb * 1e9)
    child = Guarded(extract, timeout=timeout, memory=memory)

    def guarded(path: str, clip: str, settings: GroupSettings) -> Extracted:
        try:
            return child.call(path, clip, settings)
        except Stopped as error:
            raise DataError(f"{path}: {error}", hint="look at the file", reason=error.kind) from error
        except FrameweaveError:
            raise
        except Exception as error:  # whatever a decoder raises costs its clip, and not the shard
            raise DataError(
                f"{path}: {type(error).__name__}: {error}", hint="look at the file", reason="unreadable"
            ) from error

    return guarded


@cache
def _estimate(name: str, device: str) -> Estimate:
    import torch  # noqa: PLC0415 - workers without an estimator do without torch

    from frameweave.models import depth  # noqa: PLC0415
    from frameweave.models.loading.choice import MINIATURE  # noqa: PLC0415
    from frameweave.video.clip import as_frames  # noqa: PLC0415

    torch.set_num_threads(1)
    estimator = depth.load(MINIATURE, None if name == MINIATURE else name, device=device)
    if estimator is None:
        raise ModelFolderError(f"{name}: no depth estimator in it", hint="give another --depth-model")

    def estimate(pictures: list[bytes]) -> Maps:
        pixels = np.stack(
            [np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in pictures]
        )
        return estimator.raw(as_frames(pixels))[:, 0].numpy()

    return estimate
