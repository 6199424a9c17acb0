"""How MSR-VTT is divided into splits: the full division, and 1k-A by its lists.

The full division goes by the video's number: 0 to 6512 train, 6513 to 7009 validate, 7010 to 9999 test
(6,513 / 497 / 2,990). 1k-A trains on most of the full division's test clips, so a model that was
trained on one of them must not be tested on the other.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from frameweave.data.text import decoded
from frameweave.errors import DataError

Division = Literal["full", "1k-a"]
_NUMBER = re.compile(r"video([0-9]{1,9})")
_FIRST = {"train": 0, "validate": 6513, "test": 7010}
_CLIPS = 10_000
_TRAINING = ("MSRVTT_train.9k.csv", "MSRVTT_train.7k.csv", "train_list_jsfusion.txt")
_TESTING = ("MSRVTT_JSFUSION_test.csv", "val_list_jsfusion.txt")  # what 1k-A validates with is its test set


def number_of(video: str) -> int | None:
    """The number in a video's name.

    >>> number_of("video12"), number_of("clip12")
    (12, None)
    """
    found = _NUMBER.fullmatch(video)
    return int(found[1]) if found else None


def official_split(video: str) -> str:
    """The split of the full division by the number in the name; empty for other names.

    >>> [official_split(f"video{n}") for n in (0, 6512, 6513, 7009, 7010, 9999)]
    ['train', 'train', 'validate', 'validate', 'test', 'test']
    """
    number = number_of(video)
    if number is None:
        return ""
    return [split for split, first in _FIRST.items() if number >= first][-1]


def check_full(splits: Mapping[str, str]) -> None:
    """Raise `DataError` when clips of the official test split are for training beside others for testing."""
    if len(splits) > _CLIPS:  # this is another data set in MSR-VTT's form
        return
    official = {name: split for name, split in splits.items() if official_split(name) == "test"}
    training = [name for name, split in official.items() if split == "train"]
    if training and len(training) < len(official):
        raise DataError(
            f"{len(training)} clips of the official test split are for training, such as {training[0]}",
            hint="these are annotations of 1k-A: give --layout msrvtt-1k-a",
        )


def has_lists(files: Mapping[str, Path]) -> bool:
    """Whether 1k-A's lists are among some files."""
    return any(name in files for name in _TESTING)


def one_k_a(folder: Path, files: Mapping[str, Path]) -> tuple[dict[str, str], dict[str, str]]:
    """The split of each clip of 1k-A, and the one caption of each test clip where its list has it.

    `files` are those below the folder by name. Of several training lists, the one of 9,000 clips is
    taken. Raises `DataError` without the test list, and when a clip is in both lists.
    """
    test = next((files[name] for name in _TESTING if name in files), None)
    train = next((files[name] for name in _TRAINING if name in files), None)
    if test is None:
        raise DataError(
            f"{folder}: no {_TESTING[0]} in it", hint="use the layout msrvtt, or add the list of 1k-A"
        )
    sentences = dict(_listed(test))
    splits = dict.fromkeys((name for name, _ in _listed(train)) if train else (), "train")
    both = splits.keys() & sentences.keys()
    if both:
        raise DataError(
            f"{len(both)} clips are in {train} and in {test}, such as {min(both)}",
            hint="training clips must not be tested on: copy the lists again",
        )
    return splits | dict.fromkeys(sentences, "test"), {name: text for name, text in sentences.items() if text}


def _listed(file: Path) -> Iterator[tuple[str, str]]:
    """The videos of a list and their sentences, which not all lists have."""
    try:
        text = decoded(file.read_bytes())
        if file.suffix == ".csv":
            yield from _rows(file, text)
        else:
            yield from ((line.strip().removesuffix(".mp4"), "") for line in text.splitlines() if line.strip())
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{file}: not a list ({error})", hint="copy the file again") from error


def _rows(file: Path, text: str) -> Iterable[tuple[str, str]]:
    """Copies of the lists have commas or semicolons."""
    first = text.split("\n", 1)[0]
    mark = ";" if first.count(";") > first.count(",") else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)
    if "video_id" not in (rows.fieldnames or ()):
        raise DataError(
            f"{file}, line 1: found {first.strip()[:200] or 'nothing'}, expected a column video_id",
            hint="copy the file again",
        )
    return ((row["video_id"], row.get("sentence") or "") for row in rows if row["video_id"])
