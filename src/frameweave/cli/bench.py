"""frameweave bench."""

from dataclasses import asdict

from frameweave.cli import console


def bench(*, quick: bool = False, set: tuple[str, ...] = ()) -> None:  # noqa: A002 - the flag's name
    """Measure speed and memory, as ratios within one run.

    Example: `frameweave bench`.

    Parameters
    ----------
    quick
        Fewer repetitions and shorter videos.
    set
        Settings of the editors, as name=value for all that have it, or editor.name=value for one.
    """
    from frameweave.measuring.bench.bench import bench as job  # noqa: PLC0415 - torch must not slow --help

    for row in job(quick=quick, asked=set, progress=console.progress()):
        console.result(**asdict(row))
