"""English as far as the rules need it: plurals, a and an, one word put in another's place."""

import re

_PLURALS = {
    "man": "men",
    "fireman": "firemen",
    "woman": "women",
    "child": "children",
    "person": "people",
    "fish": "fish",
    "sheep": "sheep",
    "deer": "deer",
    "wolf": "wolves",
    "elf": "elves",
}
_CONSONANT_SOUND = ("uni", "use", "eu", "ukulele", "one")
_VOWEL_SOUND = ("hour", "honest")


def plural(noun: str) -> str:
    """
    >>> [plural(noun) for noun in ("car", "bus", "butterfly", "boy", "woman")]
    ['cars', 'buses', 'butterflies', 'boys', 'women']
    """
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun.endswith(("s", "x", "ch", "sh", "potato", "tomato")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def article(word: str) -> str:
    """
    >>> [article(word) for word in ("duck", "owl", "unicorn", "hour")]
    ['a', 'an', 'a', 'an']
    """
    word = word.lower()
    vowel = word.startswith(("a", "e", "i", "o", "u")) and not word.startswith(_CONSONANT_SOUND)
    return "an" if vowel or word.startswith(_VOWEL_SOUND) else "a"


def spliced(text: str, start: int, end: int, new: str) -> str:
    """The text with `new` in place of `text[start:end]`; a or an before it and a capital are kept right.

    >>> spliced("A dog runs", 2, 5, "elephant"), spliced("Dogs run", 0, 4, "cats")
    ('An elephant runs', 'Cats run')
    """
    before, old = text[:start], text[start:end]
    if old[:1].isupper():
        new = new[:1].upper() + new[1:]
    if found := re.search(r"\b(a)(n?)( +)$", before, re.IGNORECASE):
        right = article(new)
        before = before[: found.start(2)] + right[1:] + found[3]
    return before + new + text[end:]


def uncapitalised(text: str) -> str:
    """A caption as it goes on within a sentence.

    >>> uncapitalised("A man sings"), uncapitalised("Paris at night")
    ('a man sings', 'Paris at night')
    """
    first = text.split(" ", 1)[0]
    plain = first in {"A", "An", "The", "This", "Two", "Three", "Some", "Several", "People", "Someone"}
    return text[0].lower() + text[1:] if plain else text
