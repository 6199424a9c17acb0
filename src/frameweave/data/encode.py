"""Encode a prepared data set once for a model: latents, depth and vision states beside each shard."""

from pathlib import Path

from frameweave.data.encoded import CachedGroups
from frameweave.data.options import EncodeOptions
from frameweave.data.reading import ShardGroups
from frameweave.data.shards.sidecars import is_whole, write_sidecar
from frameweave.models import depth as depth_model
from frameweave.models.loading.load import load_chosen
from frameweave.progress import SILENT, Progress


def encode(folder: Path, options: EncodeOptions, *, progress: Progress = SILENT) -> dict[str, object]:
    """Write the sidecars that are missing; returns their print and how many were written.

    Training with the same model and size takes them instead of encoding. Raises `DataError` when
    there is no finished data set.
    """
    groups = ShardGroups(folder)
    numbers = groups.by_shard()
    model = load_chosen(options.choice)
    estimator = depth_model.load(options.model, options.depth_model, device=options.device)
    pixels = options.size or model.native
    encoder = CachedGroups(groups, model, estimator, folder, pixels, crop=options.resize == "crop")
    sums = {shard: groups.sum_of(shard) for shard in numbers}
    missing = [shard for shard in numbers if not is_whole(folder, shard, encoder.print, tar=sums[shard])]
    for shard in progress.track(missing, "encoding shards"):
        encoded = {key: encoder.encoded(groups.group(index))[0] for key, index in numbers[shard].items()}
        write_sidecar(folder, shard, encoder.print, encoded, tar=sums[shard])
    return {"print": encoder.print, "written": len(missing), "shards": len(numbers)}
