"""Texts of others made plain: captions on one line, names for files."""

import re
import unicodedata
from collections.abc import Iterable

CAPTION_LIMIT = 2_000
"""Characters of a caption that are kept: no text tower takes more than a few hundred."""
CAPTIONS_LIMIT = 64
"""Captions of a clip that are kept."""
JOINERS = "\u200c\u200d"
"""Characters of no width that join or part letters and emoji."""
# they mean something between two of these, and hide something elsewhere
_BEYOND_ASCII = rf"[^\x00-\x7f\s{JOINERS}]"
_JOINER = re.compile(rf"((?<={_BEYOND_ASCII})[{JOINERS}](?={_BEYOND_ASCII}))|[{JOINERS}]")
_UNSEEN_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"  # fillers, which count as letters or symbols


def decoded(content: bytes) -> str:
    """Text as UTF-8, or as UTF-16 that begins with its mark; marks are left out.

    >>> decoded(b"\\xef\\xbb\\xbfa car"), decoded("a car".encode("utf-16"))
    ('a car', 'a car')

    Raises `ValueError` for anything else: a guess would give wrong letters.
    """
    try:
        text = content.decode(encoding_of(content))
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8, and not UTF-16 with its mark: save it as UTF-8") from error
    if "\0" in text:
        raise ValueError("zeros between the letters: save it as UTF-8")
    return text


def encoding_of(start: bytes) -> str:
    """By the first two bytes: UTF-16 where its mark is there, else UTF-8, whose mark is left out."""
    return "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def key_of(name: str) -> str:
    """A name for files and tar members: lower case, only [a-z0-9_-]; ids that collide must be told apart.

    >>> key_of("MSR-VTT/all/video709.mp4")
    'msr-vtt_all_video709_mp4'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_-]+", "_", plain).strip("_") or "clip"


def cleaned(text: str, *, joiners: str = "") -> str:
    """A text on one line, without control and direction characters, cut to a sensible length.

    >>> cleaned(" a red\\ncar\\x1b[31m \\u202edrives ")
    'a red car[31m drives'
    """
    spaced = "".join(" " if character.isspace() else character for character in text[: 4 * CAPTION_LIMIT])
    kept = "".join(c for c in spaced if c in joiners or unicodedata.category(c)[0] != "C")
    return " ".join(kept.split())[:CAPTION_LIMIT].strip()


def caption_of(text: str) -> str:
    """A caption made plain; empty when nothing of it can be seen.

    Characters that join or part letters stay where they do: Persian, Sinhala and families of emoji
    need them.

    >>> caption_of("a\\u200bcar"), caption_of("\\u200b\\u2800"), caption_of("\\U0001f468\\u200d\\U0001f467")
    ('acar', '', '\\U0001f468\\u200d\\U0001f467')
    """
    plain = " ".join(_JOINER.sub(r"\1", cleaned(text, joiners=JOINERS)).split())
    seen = any(unicodedata.category(c)[0] not in "CMZ" and c not in _UNSEEN_LETTERS for c in plain)
    return plain if seen else ""


def captions_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The captions of a clip that say something, made plain, each once."""
    return tuple(dict.fromkeys(filter(None, map(caption_of, texts))))[:CAPTIONS_LIMIT]
