"""Rows of a parquet file: only the columns that are asked for, batch by batch."""

import importlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frameweave.errors import DataError, require_extra

Row = dict[str, Any]
"""Whatever stands in a row of a table, by column."""
_ROWS = 1000  # of a batch


def column_names(path: Path) -> list[str]:
    """The names of the columns. Raises `DataError` when the file is not parquet."""
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Each row as values by column. Raises `DataError` for values that Python has none for."""
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS, columns=list(columns)):
            yield from batch.to_pylist()


@contextmanager
def _opened(path: Path) -> Generator[Any, None, None]:
    require_extra("parquet", "pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    arrow: Any = importlib.import_module("pyarrow")
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: not a readable parquet file ({error})", hint="write it again") from error
