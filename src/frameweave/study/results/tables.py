"""A study's figures as tables that can be written in every format."""

from frameweave.measuring.report.table import Entry, Table
from frameweave.measuring.stats.proportion import Share
from frameweave.study.results.analysis import Analysis, Preference

_RULES = (
    "Raters are left out who fail two checks of attention, answer more than a quarter of the pages before "
    "the videos were seen once, or choose one side so often that luck would do it once in a thousand times."
)


def study_tables(found: Analysis) -> dict[str, Table]:
    """By the names of their files: preferences, and when there are more than two systems their strengths."""
    drawn = {"preferences": preference_table(found), "raters": rater_table(found)}
    if found.strengths:
        drawn["strengths"] = strength_table(found)
    return drawn


def preference_table(found: Analysis) -> Table:
    """The share that prefers the second system, for each editor and criterion."""
    return Table(
        title="Share of answers that prefer the second system",
        stubs=("editor", "criterion", "second over first"),
        columns=(
            "share",
            "clustered interval",
            "sign test p of answers",
            "test p over clips",
            "Holm p over clips",
            "answers",
            "no preference",
        ),
        rows=tuple(
            ((one.editor, one.criterion, f"{one.systems[1]} over {one.systems[0]}"), _entries(one))
            for one in found.preferences
        ),
        notes=(
            "In brackets behind the share: Wilson's 95 % interval, as if all answers were independent; so is "
            "the sign test of answers. The clustered interval draws raters and clips anew, the test over "
            "clips flips the signs of their shares, and Holm's correction goes with it: believe these. "
            "Ties are left out.",
        ),
    )


def _entries(one: Preference) -> tuple[Entry, ...]:
    if one.share is None:
        none = Entry(reason="no answers yet")
        return (none, none, none, none, none, Entry(value=0, digits=0), Entry(value=one.ties, digits=0))
    clustered = (
        Entry(reason="needs three raters and three clips")
        if one.clustered is None
        else Entry(value=one.share.value, interval=one.clustered, digits=3)
    )
    return (
        _share(one.share, bold=one.clustered is not None and not one.clustered[0] <= 0.5 <= one.clustered[1]),
        clustered,
        Entry(value=one.share.p_half, digits=4),
        Entry(value=one.p_clips, digits=4),
        Entry(value=one.p_holm, digits=4),
        Entry(value=one.share.n, digits=0),
        Entry(value=one.ties, digits=0),
    )


def _share(share: Share, *, bold: bool = False) -> Entry:
    return Entry(value=share.value, interval=(share.low, share.high), digits=3, bold=bold)


def rater_table(found: Analysis) -> Table:
    """How far raters agree, with each other and with themselves, and who was left out."""
    same, of = found.repeats
    rows: list[tuple[tuple[str, ...], tuple[Entry, ...]]] = [
        (("raters who answered",), (Entry(value=found.raters, digits=0),)),
        (("raters left out",), (Entry(value=len(found.excluded), digits=0),)),
        (
            ("same answer to a repeated pair",),
            (Entry(value=same / of, digits=3) if of else Entry(reason="no repeats yet"),),
        ),
        (("left side chosen",), (_share(found.left) if found.left else Entry(reason="no answers yet"),)),
    ]
    for criterion, alpha in found.agreement.items():
        none = Entry(reason="needs several answers about a pair")
        entry = none if alpha is None else Entry(value=alpha, digits=3)
        rows.append(((f"Krippendorff's alpha, {criterion}",), (entry,)))
    left_out = [f"Rater {rater}: {reason}." for rater, reason in found.excluded.items()]
    return Table(
        title="Raters", stubs=("",), columns=("figure",), rows=tuple(rows), notes=(_RULES, *left_out)
    )


def strength_table(found: Analysis) -> Table:
    """Bradley-Terry strengths of all systems."""
    names = list(dict.fromkeys(name for one in found.strengths.values() for name in one.systems))
    return Table(
        title="Bradley-Terry strengths",
        stubs=("system",),
        columns=tuple(found.strengths),
        rows=tuple(
            (
                (name,),
                tuple(
                    Entry(value=one.systems[name], digits=2, signed=True)
                    if name in one.systems
                    else Entry(reason="never compared")
                    for one in found.strengths.values()
                ),
            )
            for name in names
        ),
        notes=("Log-odds of winning against the mean system; the left side's advantage is taken out.",),
    )
