"""The page of a comparison: safe against what prompts may hold."""

from html.parser import HTMLParser
from pathlib import Path

from frameweave.editing.comparing.page import Panel, Row, write_page
from frameweave.runs.run import Run
from frameweave.runs.settings import Settings


class Fields(Settings):
    steps: int = 25


class Reader(HTMLParser):
    """Collects the tags and the addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_whatever_it_is_told_is_text(tmp_path: Path) -> None:
    Run.planned(tmp_path, "edit", Fields()).start()
    hostile = "<script>alert(1)</script> {{ 7 * 7 }}"
    row = Row("One prompt", hostile, (Panel(hostile, "a b#.mp4", "a.png"),), columns=1)
    page = write_page(tmp_path, title="Compared", intro="Hello", rows=[row])
    text = page.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.tags.count("video") == 1
    assert "script" not in reader.tags
    assert reader.addresses == ["a%20b%23.mp4", "a.png"]
    assert "&lt;script&gt;" in text and "{{ 7 * 7 }}" in text
