"""The public face is sorted, complete, and everything in it is documented."""

import ast
import importlib
import inspect
from itertools import pairwise

from frameweave import api


def test_sorted_and_there() -> None:
    assert api.__all__ == sorted(api.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(hasattr(api, name) for name in api.__all__)


def below(module: str, name: str) -> str:
    """The string below an assignment, which Python itself does not keep."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    for statement, text in pairwise(tree.body):
        match statement, text:
            case (
                ast.Assign(targets=[ast.Name(id=found)]) | ast.AnnAssign(target=ast.Name(id=found)),
                ast.Expr(value=ast.Constant(value=str(doc))),
            ) if found == name:
                return doc
            case _:
                pass
    return ""


def test_everything_has_a_docstring() -> None:
    """Classes and functions their own; names of types and constants the string below them."""
    imports = [node for node in ast.parse(inspect.getsource(api)).body if isinstance(node, ast.ImportFrom)]
    for node in imports:
        for alias in node.names:
            value = getattr(api, alias.asname or alias.name)
            own = str(getattr(value, "__module__", "")).startswith("frameweave.")
            documented = inspect.isclass(value) or inspect.isfunction(value)
            text = value.__doc__ if own and documented else below(str(node.module), alias.name)
            assert text, alias.name
    assert {alias.asname or alias.name for node in imports for alias in node.names} == set(api.__all__)
