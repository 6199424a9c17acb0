"""frameweave bench."""

from dataclasses import asdict

from frameweave.cli import console


def bench(*, quick: bool = False) -> None:
    """Measure speed and memory, as ratios within one run.

    Example: `frameweave bench`.

    Parameters
    ----------
    quick
        Fewer repetitions and shorter videos.
    """
    from frameweave.measuring.bench.bench import bench as job  # noqa: PLC0415 - torch must not slow --help

    for row in job(quick=quick, progress=console.progress()):
        console.result(**asdict(row))
