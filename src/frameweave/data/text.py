"""Texts of others made plain: captions on one line, names for files."""

import re
import unicodedata

CAPTION_LIMIT = 2_000
"""Characters of a caption that are kept: no text tower takes more than a few hundred."""


def key_of(name: str) -> str:
    """A name for files and tar members: lower case, only [a-z0-9_-]; ids that collide must be told apart.

    >>> key_of("MSR-VTT/all/video709.mp4")
    'msr-vtt_all_video709_mp4'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_-]+", "_", plain).strip("_") or "clip"


def cleaned(caption: str) -> str:
    """A caption on one line, without control and direction characters, cut to a sensible length.

    >>> cleaned(" a red\\ncar\\x1b[31m \\u202edrives ")
    'a red car[31m drives'
    """
    spaced = "".join(" " if character.isspace() else character for character in caption[: 4 * CAPTION_LIMIT])
    kept = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
    return " ".join(kept.split())[:CAPTION_LIMIT].strip()
