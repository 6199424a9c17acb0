"""The contact sheet: groups from all over the data set, hostile captions as text, a picture to look at."""

from pathlib import Path

import pytest
from PIL import Image

from frameweave.data.options import ShowOptions
from frameweave.data.show import chosen, show
from frameweave.errors import DataError, InputError
from prepared import a_dataset, prepared, some_clips

HOSTILE = '<script>alert(1)</script> & {{ 7 * 7 }} "quoted"'


def test_chosen_groups_are_spread() -> None:
    found = chosen(1000, 10, seed=3)
    assert [number // 100 for number in found] == list(range(10))
    assert chosen(1000, 10, seed=3) == found != chosen(1000, 10, seed=4)
    assert chosen(0, 10, seed=0) == []


def test_a_sheet_of_all_groups(tmp_path: Path) -> None:
    files = show(a_dataset(tmp_path), ShowOptions(groups=3, out=tmp_path / "sheet"))
    with Image.open(files["picture"]) as picture:
        assert picture.width > 4 * 128 and picture.height == 3 * 158
        assert len(picture.convert("RGB").getcolors(10**6) or []) > 100
    page = Path(files["page"]).read_text()
    assert page.count("<article>") == 3 and page.count("<img") == 3 * 4
    assert "10 groups of 5 clips in 3 shards" in page and "number 0" in page


def test_captions_are_text(tmp_path: Path) -> None:
    clips = [clip.replaced(captions=(HOSTILE,)) for clip in some_clips(tmp_path / "videos", 3)]
    files = show(prepared(tmp_path / "shards", clips), ShowOptions(groups=1, out=tmp_path / "sheet"))
    page = Path(files["page"]).read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page and "{{ 7 * 7 }}" in page


def test_what_cannot_be_shown(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data set"):
        show(tmp_path, ShowOptions(out=tmp_path / "sheet"))
    with pytest.raises(InputError, match="groups is 0"):
        show(tmp_path, ShowOptions(groups=0))
