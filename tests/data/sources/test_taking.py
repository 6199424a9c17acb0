"""One split, an even subset, the first few."""

from collections import Counter

import pytest

from frameweave.data.record import ClipRecord
from frameweave.data.sources.taking import First, OfSplit, Subset
from frameweave.errors import DataError
from prepared import Listed


def some(count: int, categories: int = 3) -> Listed:
    return Listed(
        ClipRecord(id=f"v{k}", path="/", captions=("c",), split="train", category=str(k % categories))
        for k in range(count)
    )


def test_a_subset_is_even_over_categories_and_a_draw_from_the_seed() -> None:
    reader = Listed([*some(90), *(ClipRecord(id=f"w{k}", path="/", category="rare") for k in range(2))])
    found = [item for item in Subset(reader, 14, seed=0) if isinstance(item, ClipRecord)]
    assert Counter(clip.category for clip in found) == {"0": 4, "1": 4, "2": 4, "rare": 2}
    assert [c.id for c in Subset(reader, 14, seed=0)] == [c.id for c in found]
    assert [c.id for c in Subset(reader, 14, seed=1)] != [c.id for c in found]


def test_one_split_and_the_first_few() -> None:
    assert [item.id for item in First(some(9), 2)] == ["v0", "v1"]
    with pytest.raises(DataError, match=r"no clip of the split 'test', found 9 train"):
        list(OfSplit(some(9), "test"))
