"""Writes what is made from the program itself: `make reference`."""

import sys
from pathlib import Path

from frameweave.cli.main import app
from frameweave.editing import listed
from frameweave.editors.own import own_names

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "commands.md"
_HEAD = """# Commands and settings

This page is made from the program (`make reference`). `frameweave COMMAND --help` shows the same.
`frameweave editors NAME` lists the settings of an editor, `frameweave editors --json` all as JSON schemas.
"""


def page() -> str:
    """The page as it should be: every command with its arguments, flags, defaults and an example."""
    made = app.generate_docs(output_format="markdown")
    body = made.partition("Text-driven video editing with pretrained text-to-image diffusion models.\n")[2]
    lines = [line.rstrip() for line in body.splitlines()]
    return _HEAD + "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    listed.FILE.write_text(listed.written([listed.described(name) for name in own_names()]), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n{listed.FILE}\n")
