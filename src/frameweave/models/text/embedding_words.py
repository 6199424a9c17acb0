"""The words of textual inversions: as flags name them and as prompts hold them. Nothing heavy is imported."""

import os
import re
from collections.abc import Sequence

from frameweave.errors import InputError
from frameweave.models.text.syntax import is_plain

_FILE = "file.safetensors"
_MARKS = re.compile(r"[()\[\]<>:|\\\n\r]")
_LETTER = re.compile(r"\w")


def named(text: str) -> tuple[str, str]:
    """The word and the file of `FILE` or `word=FILE`; the word is empty where none is given.

    Raises `InputError` for a word that no prompt could hold, and for no file.
    """
    head, sign, tail = text.partition("=")
    if not sign or "/" in head or os.path.exists(text):  # noqa: PTH110 - Path's raises for long text
        head, tail = "", text
    elif not head.strip():
        raise InputError(f"embedding {text!r}: no word before the =", hint=f"write word={_FILE}")
    if not tail.strip():
        raise InputError(f"embedding {text!r}: no file", hint=f"write {_FILE} or word={_FILE}")
    return (checked(bare(head), text) if head else ""), tail


def bare(word: str) -> str:
    """A word without angle brackets around it."""
    word = word.strip()
    return word[1:-1].strip() if word.startswith("<") and word.endswith(">") else word


def checked(word: str, text: str) -> str:
    """The word. Raises `InputError` for one that no prompt could hold."""
    if _MARKS.search(word) or not _LETTER.search(word) or not is_plain(word):
        raise InputError(
            f"embedding {text!r}: {word!r} cannot stand in a prompt as a word",
            hint=f"give it another one, such as neg={_FILE}",
        )
    return word


def pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Finds any of the words, as `whole` in angle brackets or as `bare`.

    Longer words first, since one may begin another; a word within another word is none.

    >>> bool(pattern(["easyneg"]).search("(EasyNeg:1.2), blurry")), bool(pattern(["cat"]).search("a cat-bed"))
    (True, False)
    """
    either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    bare = rf"(?<![\w<-])(?:embedding:)?(?P<bare>{either})(?![\w>-])"
    return re.compile(rf"<(?P<whole>{either})>(?!\w)|{bare}", re.IGNORECASE)
