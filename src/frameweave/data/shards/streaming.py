"""The second reader: shards streamed from anywhere that fsspec reaches, in WebDataset's own manner.

Nothing is fetched but the tars, one after the other. Order is that of the shards, or shuffled
through a buffer; where a stream stopped is not known. For training use `reading.ShardGroups`.
"""

import importlib
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import fsspec

from frameweave.data.shards.decoding import group_of, wanted
from frameweave.errors import DataError, MissingExtra, require_extra
from frameweave.video.group import FrameGroup

Sample = dict[str, bytes | str]
"""As webdataset gives them: bytes by member, and texts by names such as url."""


def streamed(urls: list[str], *, shuffle: int = 0, seed: int = 0) -> Iterable[FrameGroup]:
    """The groups of tars at these URLs or paths, divided between processes and loader workers.

    With `shuffle` the shards are shuffled by the seed, and groups through a buffer of that size. The
    result is a torch `IterableDataset`. Raises `MissingExtra` without webdataset, `DataError` for a
    tar that cannot be reached or a sample that is no group.
    """
    wds = _webdataset()
    if not urls:
        raise DataError("no shards to stream", hint="give the paths or URLs of some tars")
    mixed = [wds.detshuffle(len(urls), seed=seed)] if shuffle else []
    buffered = [wds.detshuffle(shuffle, seed=seed)] if shuffle else []
    return wds.DataPipeline(
        wds.SimpleShardList(urls),
        *mixed,
        wds.split_by_node,
        wds.split_by_worker,
        _members,
        wds.tariterators.group_by_keys,
        *buffered,
        _groups,
    )


def _webdataset() -> Any:
    require_extra("webdataset", "webdataset")
    return importlib.import_module("webdataset")


def _members(shards: Iterator[Sample]) -> Generator[Sample, None, None]:
    """The members of every tar, as webdataset's own expander gives them."""
    wds = _webdataset()
    for shard in shards:
        url = shard["url"]
        try:
            with fsspec.open(url, "rb") as stream:
                for member in wds.tariterators.tar_file_iterator(stream):
                    yield {**member, "__url__": url}
        except MissingExtra:
            raise
        except Exception as error:  # of places, of tars and of what packed them: no one kind of error
            raise DataError(
                f"{url}: cannot be read as a tar ({type(error).__name__}: {error})",
                hint="check the URL, or copy the tar there again",
            ) from error


def _groups(samples: Iterator[Sample]) -> Generator[FrameGroup, None, None]:
    for sample in samples:
        named = ((name, sample[name]) for name in wanted(sample))
        members = {name: content for name, content in named if isinstance(content, bytes)}
        yield group_of(members, where=f"{sample['__url__']}: group {sample['__key__']}")
