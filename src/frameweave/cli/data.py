"""frameweave data: from videos with captions to training shards."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.data.options import CaptionOptions, EncodeOptions, PrepareOptions, ShowOptions, SourceOptions
from frameweave.errors import CheckFailed


def prepare(
    source: str, /, *, options: Annotated[PrepareOptions, Parameter(name="*")] = PrepareOptions()
) -> None:
    """Prepare videos with captions as shards of adjacent-frame groups.

    The same command goes on where an earlier run stopped.

    Examples: `frameweave data prepare my-videos --out shards`;
    `frameweave data prepare msrvtt --split train --depth-model Intel/dpt-hybrid-midas --out shards`.

    Parameters
    ----------
    source
        MSR-VTT's folder, a folder of videos, a csv, tsv, jsonl or parquet table, or tars.
    """
    from frameweave.data.prepare import planned_figures  # noqa: PLC0415 - --help needs none of it
    from frameweave.data.prepare import prepare as job  # noqa: PLC0415

    if options.dry_run:
        console.result(**asdict(planned_figures(source, options)))
        return
    done = job(source, options, progress=console.progress())
    figures = {} if done.summary is None else asdict(done.summary)
    console.result(folder=str(done.folder), shards_made=done.shards_made, **figures, seconds=done.seconds)


def caption(
    source: str,
    /,
    *,
    options: Annotated[CaptionOptions, Parameter(name="*")] = CaptionOptions(),
    which: Annotated[SourceOptions, Parameter(name="*")] = SourceOptions(),
) -> None:
    """Rewrite captions into edit prompts, by a model or by rules.

    The model is any behind an OpenAI-compatible endpoint: OPENAI_API_KEY, OPENAI_BASE_URL and
    FRAMEWEAVE_CAPTION_MODEL say which. What was answered is kept, so nothing is paid for twice.

    Examples: `frameweave data caption my-videos --rules`;
    `frameweave data caption my-videos --dry-run --price-in 0.15 --price-out 0.6`.

    Parameters
    ----------
    source
        As for `frameweave data prepare`, which takes the result with --prompts.
    """
    from frameweave.data.caption import caption as job  # noqa: PLC0415
    from frameweave.data.sources.detect import read_source  # noqa: PLC0415 - --help needs none of it

    records = read_source(
        source,
        layout=which.layout,
        split=which.split,
        limit=which.limit,
        subset=which.subset,
        seed=options.seed,
    )
    done = job(records, options, progress=console.progress())
    figures = asdict(done)
    estimate = figures.pop("estimate")
    console.result(**(estimate if options.dry_run else figures | {"path": str(done.path)}))


def check(folder: Path, /) -> None:
    """Verify a data set: sums, members, pictures, splits.

    Example: `frameweave data check shards`.

    Parameters
    ----------
    folder
        What `frameweave data prepare` wrote.
    """
    from frameweave.data.checking import check as job  # noqa: PLC0415

    found = job(folder, progress=console.progress())
    console.result(faults=found.faults, remarks=found.remarks)
    if found.faults:
        raise CheckFailed(
            f"{folder}: {len(found.faults)} faults, the first: {found.faults[0]}",
            hint="run frameweave data prepare on it again: it makes damaged shards anew, and all with "
            "--mode overwrite",
        )


def encode(
    folder: Path, /, *, options: Annotated[EncodeOptions, Parameter(name="*")] = EncodeOptions()
) -> None:
    """Encode a data set once for a model, so that training need not.

    Example: `frameweave data encode shards --model miniature`.

    Parameters
    ----------
    folder
        What `frameweave data prepare` wrote.
    """
    from frameweave.data.encode import encode as job  # noqa: PLC0415 - torch must not slow --help

    console.result(**job(folder, options, progress=console.progress()))


def show(folder: Path, /, *, options: Annotated[ShowOptions, Parameter(name="*")] = ShowOptions()) -> None:
    """Draw a contact sheet of a data set, as PNG and HTML.

    Example: `frameweave data show shards --groups 20 --out runs/sheet`.

    Parameters
    ----------
    folder
        What `frameweave data prepare` wrote.
    """
    from frameweave.data.show import show as job  # noqa: PLC0415

    console.result(**job(folder, options))
