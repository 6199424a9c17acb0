"""Rows of a parquet file: only the columns that are asked for, batch by batch."""

import importlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frameweave.data.sources.rows import Row
from frameweave.errors import DataError, require_extra

_ROWS = 1000  # of a batch


def column_names(path: Path) -> list[str]:
    """The names of the columns. Raises `DataError` when the file is not parquet."""
    with opened_parquet(path) as file:
        return list(file.schema_arrow.names)


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Each row as values by column. Raises `DataError` for values that Python has none for."""
    with opened_parquet(path) as file:
        if not columns:  # of rows without columns none would be read
            yield from ({} for _ in range(file.metadata.num_rows))
            return
        for batch in file.iter_batches(batch_size=_ROWS, columns=list(columns)):
            yield from batch.to_pylist()


@contextmanager
def opened_parquet(path: Path) -> Generator[Any, None, None]:
    """pyarrow's `ParquetFile`. Raises `DataError` when it is not one, `MissingExtra` without pyarrow."""
    require_extra("parquet", "pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    arrow: Any = importlib.import_module("pyarrow")
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: not a readable parquet file ({error})", hint="write it again") from error
