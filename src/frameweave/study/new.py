"""Build a blinded pairwise study out of finished runs."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from frameweave.errors import InputError, RunError
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import clear_stale, staged
from frameweave.runs.identity import digest
from frameweave.runs.text import printable
from frameweave.study.building import Candidate, build, candidates
from frameweave.study.design import Design, Pair, check_criteria
from frameweave.study.folder import MEDIA, is_taken, write_design
from frameweave.study.options import StudyNewOptions
from frameweave.study.power import Power, powers


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A study, and what it takes."""

    folder: Path | None
    """None for a dry run."""
    pairs: int
    clips: int
    """Of the editor and pair of systems that has fewest."""
    raters: int
    """Needed so that every pair is seen often enough."""
    power: list[Power]
    """For several true shares, after correcting for every editor, pair of systems and criterion."""


def new_study(runs: Sequence[Path], options: StudyNewOptions, *, progress: Progress = SILENT) -> Planned:
    """Write the study's folder: design.json and re-encoded media under names that say nothing.

    Raises `RunError` when the folder is taken, `DataError` for missing or unplayable videos and for runs of
    different length, `InputError` when there is nothing to compare, and for settings that make no sense: all
    that the settings and the runs' tables show is told before a video is written. What fails leaves nothing.
    """
    if options.out.exists() and not options.out.is_dir():
        raise RunError(f"{options.out}: a file, expected a folder", hint="give a new --out")
    clear_stale(options.out)
    if options.out.exists() and is_taken(options.out):
        raise RunError(f"{options.out}: not empty", hint="a study is never changed: give a new --out")
    found = _chosen(list(candidates(runs, [_systems(text) for text in options.systems])), options)
    if not found:
        raise InputError(
            "no two edits to compare", hint="give runs whose clips were edited by both --systems"
        )
    there = [one for one in found if all(video.is_file() for video in one.videos)]
    if alike := [one for one in there if digest(one.videos[0]) == digest(one.videos[1])]:
        progress.note(
            f"{len(alike)} of {len(found)} pairs are two times the same video, such as clip "
            f"{alike[0].clip} of {alike[0].editor}: nobody can prefer one"
        )
        if len(alike) == len(found):
            raise InputError(
                f"all {len(found)} pairs are two times the same video", hint="compare edits that differ"
            )
    consent = _checked(found, options)
    compared: dict[tuple[str, tuple[str, str]], set[str]] = defaultdict(set)
    for one in found:
        compared[one.editor, one.systems].add(one.clip)
    clips = min(len(names) for names in compared.values())
    planned = Planned(
        folder=None if options.dry_run else options.out,
        pairs=len(found),
        clips=clips,
        raters=ceil(len(found) * options.per_pair / min(options.per_rater, len(found))),
        power=powers(clips, options.per_pair, tests=len(compared) * len(options.criteria)),
    )
    if clips < 40:
        progress.note(
            f"{clips} clips of an editor are few (40 are a good start): more clips tell more than more raters"
        )
    if not options.dry_run:
        pairs, obvious = _built(options.out, found, checks=options.checks, progress=progress)
        if len(obvious) < options.checks:
            progress.note(
                f"{len(obvious)} checks of attention, not {options.checks}: only as many edits have a source"
            )
        design = Design(
            name=options.name,
            seed=options.seed,
            pairs=pairs,
            obvious=obvious,
            criteria=options.criteria,
            per_rater=options.per_rater,
            per_pair=options.per_pair,
            obvious_per_rater=len(obvious),
            repeats_per_rater=options.repeats,
            no_preference=options.undecided,
            consent=consent,
            fields={str(number): printable(str(run)) for number, run in enumerate(runs)},
        )
        write_design(options.out, design)
    return planned


def _checked(found: Sequence[Candidate], options: StudyNewOptions) -> str:
    """What raters agree to. Raises `InputError` for whatever stands in the way of the design."""
    check_criteria(options.criteria)
    counts = Counter((one.editor, one.clip, one.prompt, one.systems) for one in found)
    (editor, clip, prompt, systems), most = counts.most_common(1)[0]
    if most > 1:
        raise InputError(
            f"{editor}, {clip}, {prompt!r}: {most} edits by {' and '.join(systems)}, expected one of each",
            hint="give each run once, and runs of different clips or editors",
        )
    if options.checks and not any(one.source for one in found):
        raise InputError(
            f"--checks {options.checks}, and no clip has a source to spoil", hint="give --checks 0"
        )
    if options.consent is None:
        return ""
    try:
        return options.consent.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(f"{options.consent}: {reason}", hint="give a text file as --consent") from error


def _built(
    out: Path, found: Sequence[Candidate], *, checks: int, progress: Progress
) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """The media, all or none of them, and their pairs."""
    made = not out.exists()
    try:
        with staged(out / MEDIA) as stage:
            return build(stage, found, checks=checks, progress=progress)
    except BaseException:
        if made:
            with suppress(OSError):
                out.rmdir()
        raise


def _systems(text: str) -> tuple[str, str]:
    first, colon, second = text.partition(":")
    if not colon or not first or not second or first == second:
        raise InputError(
            f"--systems {text!r}, expected two arms", hint="write first:second, e.g. without:with"
        )
    return first, second


def _chosen(found: list[Candidate], options: StudyNewOptions) -> list[Candidate]:
    """Only the editors and as many clips as were asked for."""
    if unknown := set(options.editors) - {one.editor for one in found}:
        raise InputError.unknown("editor of the runs", min(unknown), sorted({one.editor for one in found}))
    kept = [one for one in found if not options.editors or one.editor in options.editors]
    if options.clips is None:
        return kept
    chosen: list[Candidate] = []
    for editor in dict.fromkeys(one.editor for one in kept):
        own = [one for one in kept if one.editor == editor]
        names = list(dict.fromkeys(one.clip for one in own))
        count = min(options.clips, len(names))
        spread = {names[number * len(names) // count] for number in range(count)}
        chosen += [one for one in own if one.clip in spread]
    return chosen
