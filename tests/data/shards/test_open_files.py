"""Few files stay open, whatever the number that is read; threads and other processes read on."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from frameweave.data.reading import ShardGroups
from frameweave.data.shards import open_files, sidecars
from frameweave.data.shards.open_files import OpenFiles
from prepared import prepared, some_clips


def descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (open_files, sidecars):
        monkeypatch.setattr(module, "MOST_OPEN", 2)


@pytest.mark.usefixtures("few")
def test_what_was_not_read_for_longest_is_closed(tmp_path: Path) -> None:
    paths = [tmp_path / str(k) for k in range(6)]
    for path in paths:
        path.write_text(f"file {path.name} of six")
    files, before = OpenFiles(), descriptors()
    for _ in range(3):
        for path in paths:
            assert files.read(path, 6, 0) == f"file {path.name}".encode()
            assert descriptors() <= before + 2
    paths[5].unlink()  # it is still open, as is the one before
    assert files.read(paths[5], 3, 10) == b"six"
    del files
    assert descriptors() == before


@pytest.mark.usefixtures("few")
def test_threads_share_it(tmp_path: Path) -> None:
    paths = [tmp_path / str(k) for k in range(10)]
    for path in paths:
        path.write_text(path.name * 100)
    files = OpenFiles()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: files.read(paths[k % 10], 100, 0), range(2_000)))
    assert found == [str(k % 10).encode() * 100 for k in range(2_000)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads, as torch's is
@pytest.mark.usefixtures("few")
def test_a_data_set_of_many_shards_is_read_with_few_open(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "shards", some_clips(tmp_path / "videos", 12, train=12))
    groups = ShardGroups(folder)
    groups.group(0)
    before = descriptors()
    for index in range(len(groups)):
        assert groups.group(index).captions[0] == f"number {index // 2}"
        assert descriptors() <= before + 1
    again = pickle.loads(pickle.dumps(groups))
    child = os.fork()
    if not child:  # a loader's worker, with the descriptors of its parent
        right = [groups.group(k).captions[0] for k in range(24)] == [f"number {k // 2}" for k in range(24)]
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert again.group(23).captions[0] == groups.group(23).captions[0]
