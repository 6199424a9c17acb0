"""Prints how crowded the house is: sizes of folders and files, untyped records, long signatures.

Run it with `make house`. Each line: what is counted, the figure, and the bound that we keep, if there is one.
"""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "frameweave"
_MANY = 8  # parameters of a function
_LONG = 300  # lines of a file


def main() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(SRC.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    lines = {path: len(text.splitlines()) for path, text in texts.items()}
    crowded = Counter(path.parent for path in texts).most_common(1)[0]
    many = [name for path, tree in trees.items() for name in _with_many_parameters(tree, path)]
    forwarding = [path for path, tree in trees.items() if path.name != "__init__.py" and _forwards(tree)]
    long = [path for path, count in lines.items() if count > _LONG]
    rows = [
        ("dict[str, Any]", sum(text.count("dict[str, Any]") for text in texts.values()), 30, []),
        (f"functions with {_MANY} or more parameters", len(many), 2, many),
        ("files in the largest folder", crowded[1], 20, [_short(crowded[0])]),
        ("lines of src", sum(lines.values()), None, []),
        ("lines of editors", sum(lines[path] for path in (SRC / "editors").rglob("*.py")), None, []),
        ("base dependencies", len(_dependencies()), 14, []),
        ("files that only forward", len(forwarding), 0, [_short(path) for path in forwarding]),
        (f"files over {_LONG} lines", len(long), 0, [f"{_short(path)} ({lines[path]})" for path in long]),
    ]
    for what, found, bound, which in rows:
        kept = "" if bound is None else f"(at most {bound})"
        print(f"{what:42} {found:6}  {kept}  {', '.join(which)}".rstrip())


def _with_many_parameters(tree: ast.Module, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = len([argument for argument in own if argument.arg not in ("self", "cls")])
            if count >= _MANY:
                yield f"{_short(path)}:{node.name} ({count})"


def _forwards(tree: ast.Module) -> bool:
    """Whether a file defines nothing: it holds its docstring, imports and perhaps `__all__`."""
    defined = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)]
    return all(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in defined)


def _dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [re.split(r"[<>=\[]", line)[0] for line in project["dependencies"]]


def _short(path: Path) -> str:
    return path.relative_to(SRC).as_posix()


if __name__ == "__main__":
    main()
