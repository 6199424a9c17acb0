"""Videos inside a parquet file: a column of bytes, or of bytes with a name, as hubs have them."""

import importlib
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from frameweave.data.sources.parquet import opened_parquet
from frameweave.errors import DataError

_TEXTS = ("path", "file")  # whose bytes are those of a text
_ROWS = 16  # that are decoded at once: each may have many megabytes


class Embedded(NamedTuple):
    """A column of videos."""

    column: str
    bytes: str
    """The column of the bytes themselves."""
    name: str
    """The column of the videos' names; empty when there is none."""


def embedded_videos(path: Path, names: Sequence[str]) -> Embedded | None:
    """The first column of these names that holds videos; None when there is none."""
    arrow: Any = importlib.import_module("pyarrow")
    kinds = (arrow.types.is_binary, arrow.types.is_large_binary)
    with opened_parquet(path) as file:
        for field in file.schema_arrow:
            if field.name.strip().lower() not in names:
                continue
            if any(kind(field.type) for kind in kinds) and field.name.lower() not in _TEXTS:
                return Embedded(field.name, field.name, "")
            if arrow.types.is_struct(field.type):
                inner = {part.name: part.type for part in field.type}
                if "bytes" in inner and any(kind(inner["bytes"]) for kind in kinds):
                    named = f"{field.name}.path" if "path" in inner else ""
                    return Embedded(field.name, f"{field.name}.bytes", named)
    return None


def video_in(path: Path, column: str, row: int) -> io.BytesIO:
    """The video of a row, counted from 0. Raises `DataError` when there is none."""
    found = io.BytesIO(_bytes(path, column, row, path.stat().st_mtime_ns))
    found.name = f"{path}, row {row + 1}"
    return found


@lru_cache(maxsize=1)
def _bytes(path: Path, column: str, row: int, _changed: int) -> bytes:
    """Kept from one look at a clip to the next."""
    with opened_parquet(path) as file:
        left = row
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if left >= count:
                left -= count
                continue
            for batch in file.iter_batches(batch_size=_ROWS, row_groups=[group], columns=[column]):
                if left < len(batch):
                    value = batch.column(0)[left].as_py()
                    value = value.get("bytes") if isinstance(value, dict) else value
                    if not value:
                        break
                    return value
                left -= len(batch)
            break
    raise DataError(f"{path}: no video in row {row + 1}", hint="read the source again", reason="missing")
