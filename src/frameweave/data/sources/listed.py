"""Lists of texts that are written out in a cell of a table."""

import ast
import json
from io import StringIO
from tokenize import ENDMARKER, NEWLINE, NL, OP, STRING, TokenError, generate_tokens

_BETWEEN = (NL, NEWLINE, ENDMARKER)


def listed(text: str) -> list[str] | None:
    """The texts of a list as JSON, Python or numpy write it; None for any other text.

    >>> listed('["a car", "a \\\\u0063at"]'), listed("['a car', \\"a dog's\\"]"), listed("['a car' 'a cat']")
    (['a car', 'a cat'], ['a car', "a dog's"], ['a car', 'a cat'])
    >>> listed("[music] a car"), listed("[music]"), listed("a 'car'")
    (None, None, None)
    """
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found: list[object] | None = json.loads(text)
    except (ValueError, RecursionError):
        found = _literals(text)
    texts = [one for one in found or () if isinstance(one, str)]
    return texts if found is not None and len(texts) == len(found) else None


def _literals(text: str) -> list[object] | None:
    """Each literal for itself: numpy writes no commas between them, and Python would join them."""
    found: list[object] = []
    try:
        for token in generate_tokens(StringIO(text).readline):
            if token.type == STRING:
                found.append(ast.literal_eval(token.string))
            elif token.type not in _BETWEEN and (token.type != OP or token.string not in "[],"):
                return None
    except (TokenError, SyntaxError, ValueError):
        return None
    return found
