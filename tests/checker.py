"""The run-time type checker of the tests: beartype, where an int also passes for a float.

The import hook decorates inner functions anew in every call of the outer one, and each time two checking
functions are written, compiled and wrapped: about a millisecond, a third of the time of a short edit. They
depend on name and signature alone, so they are kept.

Functions whose annotations name no array have no shapes to compare: beartype alone checks them, once a call.

Within one test a function's first calls are checked, and not the thousands after them, which would double the
time of an edit.
"""

import functools
import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, _decorator

_beartyped = beartype(conf=BeartypeConf(is_pep484_tower=True))
_written: dict[Any, Any] = {}
_checked: dict[Any, Any] = {}
_write = _decorator._make_fn_with_signature


def _written_once(name: str, qualname: str, module: str, signature: inspect.Signature, output: bool) -> Any:
    key = (qualname, module, signature, output)
    try:
        found = _written.get(key)
    except TypeError:  # a default that has no hash
        return _write(name, qualname, module, signature, output)
    if found is None:
        found = _written[key] = _write(name, qualname, module, signature, output)
    return found


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments and result checked; the same again for the same function."""
    found = _checked.get(function)
    if found is None:
        found = _checked[function] = _beartyped(function)
    return found


_decorator._make_fn_with_signature = _written_once
_jaxtyped = jaxtyping.jaxtyped


def _names_arrays(annotation: Any) -> bool:
    if inspect.isclass(annotation) and issubclass(annotation, AbstractArray):
        return True
    within = annotation if isinstance(annotation, list) else get_args(annotation)  # a list: of a Callable
    return any(map(_names_arrays, within))


CALLS = 5
"""So many calls of a function are checked in each test."""
_called: Counter[Any] = Counter()


def begin_test() -> None:
    """From here on the first calls are checked again."""
    _called.clear()


def _at_first(checked: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """A function of which the first calls in each test are checked."""
    key = plain.__code__

    @functools.wraps(plain)
    def called(*args: Any, **kwargs: Any) -> Any:
        _called[key] += 1
        return (checked if _called[key] <= CALLS else plain)(*args, **kwargs)

    return called


def jaxtyped(*, typechecker: Any) -> Callable[[Any], Any]:
    """jaxtyping's decorator, as its import hook calls it; functions without arrays are spared it."""
    in_full = _jaxtyped(typechecker=typechecker)

    def decorated(thing: Any) -> Any:
        if not inspect.isfunction(thing):
            return in_full(thing)
        if "<locals>" in thing.__qualname__:  # inner ones are made anew again and again
            _called[thing.__code__] += 1
            return in_full(thing) if _called[thing.__code__] <= CALLS else thing
        named = thing.__annotations__.values()
        arrays = any(isinstance(one, str) or _names_arrays(one) for one in named)
        return _at_first(in_full(thing) if arrays else typechecker(thing), thing)

    return decorated


jaxtyping.jaxtyped = jaxtyped
