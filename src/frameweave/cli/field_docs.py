"""The docstrings below a dataclass's fields, which Python itself does not keep."""

import ast
import inspect
from itertools import pairwise
from textwrap import dedent
from typing import Any


def field_docs(kind: type[Any]) -> dict[str, str]:
    """By field: the text below it, in one line. Fields of parent classes are left out."""
    (class_,) = ast.parse(dedent(inspect.getsource(kind))).body
    assert isinstance(class_, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in pairwise(class_.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(doc))),
            ):
                found[name] = " ".join(doc.split())
            case _:
                pass
    return found
