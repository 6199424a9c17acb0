"""Names for what depends on values: cells, pairs and kept scores are found by them."""

import hashlib
import json


def key_of(*facts: object) -> str:
    """A name for whatever depends on these facts, which JSON must hold.

    >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
