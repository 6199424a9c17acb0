"""What the pages share: their templates, and files as addresses, so that a page is one file."""

import base64
from functools import cache

from frameweave.errors import require_extra

require_extra("report", "jinja2")

from jinja2 import ChoiceLoader, Environment, PackageLoader, select_autoescape  # noqa: E402

_TYPES = {".mp4": "video/mp4", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}


def rendered(room: str, template: str, **values: object) -> str:
    """A page from a file of the package `room`'s `templates/`; whatever the values hold is shown as text.

    A template may include those of this package, which all pages share.
    """
    return _pages(room).get_template(template).render(**values)


@cache
def _pages(room: str) -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader(room), PackageLoader(__package__ or "")]),
        autoescape=select_autoescape(default=True),
        auto_reload=False,
    )


def data_url(content: bytes, suffix: str) -> str:
    """The file itself as an address."""
    return f"data:{_TYPES[suffix]};base64,{base64.b64encode(content).decode()}"
