"""Imports of torch and what needs it, while the desk's worker does the same."""


def after_the_worker() -> None:
    """Import first what the worker imports first, so that one of the two waits for the other.

    The libraries import each other in circles: two threads that come in by different doors break them.
    """
    import frameweave.app.work  # pyright: ignore[reportUnusedImport]  # noqa: F401
