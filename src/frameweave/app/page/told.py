"""What the page says when something goes wrong: an explained error in its words, a fault in one sentence."""

import itertools
import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gradio as gr

from frameweave.errors import FrameweaveError

P = ParamSpec("P")
T = TypeVar("T")
_LOG = logging.getLogger("frameweave.app")
_NUMBERS = itertools.count(1)


def told(function: Callable[P, T]) -> Callable[P, T]:
    """The same function for events of the page. Gradio tells browsers nothing of other exceptions.

    The texts are shown as they are: see problem.js.
    """

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except FrameweaveError as error:
            raise gr.Error(str(error)) from None
        except Exception:
            number = next(_NUMBERS)
            _LOG.exception("fault %d in the app", number)
            text = f"This is a fault of Frameweave. The server's log says more under fault {number}."
            raise gr.Error(text) from None

    return inner
