"""Frameweave's progress on the bar of ComfyUI's node. The Cancel button of ComfyUI ends the work."""

import logging
from collections.abc import Iterable, Iterator
from typing import TypeVar

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar

T = TypeVar("T")


class NodeProgress:
    """What Frameweave's functions take as `progress`."""

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """Pass `items` through; between two of them the work can be cancelled."""
        length = total if total is not None else len(items) if hasattr(items, "__len__") else None
        bar = None if length is None else ProgressBar(length)
        for done, item in enumerate(items, 1):
            throw_exception_if_processing_interrupted()
            yield item
            if bar is not None:
                bar.update_absolute(done, length)

    def note(self, text: str) -> None:
        """A line in ComfyUI's log."""
        logging.info("Frameweave: %s", text)

    def measure(self, **values: float) -> None:
        """ComfyUI has no place for figures."""
