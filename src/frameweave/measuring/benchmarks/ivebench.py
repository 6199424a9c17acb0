"""IVEBench (Chen et al. 2025): 600 clips with an instruction and a target prompt each."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import cast

from frameweave.errors import DataError
from frameweave.measuring.benchmarks.base import (
    BenchEdit,
    Benchmark,
    Column,
    edit_at,
    inside,
    lacking,
    listed,
    none,
)
from frameweave.measuring.benchmarks.seen import neighbours_and_first, squashed
from frameweave.measuring.metrics.base import Case, Metric
from frameweave.measuring.metrics.encoders import Seeing, id_of, lack_of
from frameweave.measuring.metrics.fidelity import frame_difference
from frameweave.measuring.report.table import Entry, Row
from frameweave.runs.records import Record, read_json
from frameweave.video.reading import VIDEOS

_KEY = "src_video_name"
_CLIP, _DINO = "openai/clip-vit-base-patch32", "facebook/dino-vits16"
_QUALITY, _COMPLIANCE, _FIDELITY = "quality", "compliance", "fidelity"
_OTHERS = (
    ("motion_smoothness", "Motion smoothness", "AMT", _QUALITY),
    ("vtss", "Training suitability", "Koala-36M's scorer", _QUALITY),
    ("overall_semantic_consistency", "Overall semantic consistency", "VideoCLIP-XL", _COMPLIANCE),
    ("phrase_semantic_consistency", "Phrase semantic consistency", "VideoCLIP-XL", _COMPLIANCE),
    ("instruction_satisfaction", "Instruction satisfaction", "Qwen2.5-VL-72B", _COMPLIANCE),
    ("quantity_accuracy", "Quantity accuracy", "Grounding DINO", _COMPLIANCE),
    ("semantic_fidelity", "Semantic fidelity", "VideoCLIP-XL", _FIDELITY),
    ("motion_fidelity", "Motion fidelity", "CoTracker", _FIDELITY),
    ("content_fidelity", "Content fidelity", "Qwen2.5-VL-72B", _FIDELITY),
)


class _Line(Record):
    src_video_name: str
    target_prompt: str = ""
    source_prompt: str = ""


class _Lines(Record):
    lines: tuple[_Line, ...]


def read(data: Path, edits: Path) -> Sequence[BenchEdit]:
    """From the json file with the prompts. An edit has the name of its source."""
    table = _table(data)
    lines = _Lines.from_json({"lines": listed(table, IVEBENCH.layout)}, where=f"{table}: ").lines
    asked: list[BenchEdit] = []
    for number, line in enumerate(lines):
        place = inside(edits, line.src_video_name, f"{table}, entry {number}")
        stem = place.with_suffix("") if place.suffix.lower() in VIDEOS else place
        asked.append(
            BenchEdit(
                name=line.src_video_name,
                group="",
                prompt=line.target_prompt,
                source_prompt=line.source_prompt,
                edited=place if place.is_file() else edit_at(stem) or edit_at(place),
                wanted=stem,
            )
        )
    return asked


def _table(data: Path) -> Path:
    if data.is_file():
        tables = [data] if _is_table(data) else []
    else:
        tables = [file for file in sorted(data.glob("*.json")) if _is_table(file)]
    if not tables:
        raise DataError(
            f"{data}: no json list with {_KEY} in it, expected IVEBench's prompts", hint=IVEBENCH.layout
        )
    if len(tables) > 1:
        names = ", ".join(file.name for file in tables)
        raise DataError(
            f"{data}: several lists of prompts ({names})",
            hint="name one with --benchmark-data: IVEBench measures its short and long part apart",
        )
    return tables[0]


def _is_table(file: Path) -> bool:
    try:
        found = read_json(file)
    except DataError:
        return False
    first = cast("list[object]", found)[0] if isinstance(found, list) and found else None
    return isinstance(first, dict) and _KEY in first


def columns(seeing: Seeing) -> Sequence[Column]:
    """Its twelve measures, part by part."""
    clip, dino = seeing.clip, seeing.dino

    def subject(case: Case) -> float:
        assert dino is not None
        return neighbours_and_first(dino.classes(squashed(case.edited.frames, dino.side)))

    def background(case: Case) -> float:
        return neighbours_and_first(clip.pictures(case.edited.frames))

    def flickering(case: Case) -> float:
        return 1 - float(frame_difference(case.edited.frames))

    def column(
        name: str, title: str, measure: Callable[[Case], float], network: str = "", *, lacks: str = ""
    ) -> Column:
        metric = Metric(
            name=name,
            title=title,
            better="higher",
            digits=4,
            definition=f"{title}, as IVEBench measures it.",
            needs=frozenset({"neighbours"}),
            measure=measure,
            lacks=lacks,
        )
        return Column(metric=metric, network=network, part=_QUALITY)

    return (
        column(
            "subject_consistency",
            f"Subject consistency [{id_of(dino)}]",
            subject,
            _DINO,
            lacks=lack_of(dino, "--dino-model", _DINO),
        ),
        column("background_consistency", f"Background consistency [{clip.id}]", background, _CLIP),
        column("temporal_flickering", "Temporal flickering", flickering),
        *(
            Column(metric=lacking(name, title, network), network=network, part=part)
            for name, title, network, part in _OTHERS
        ),
    )


def totals(columns: Sequence[Column], means: Mapping[str, float]) -> Sequence[Row]:
    """Quality, compliance, fidelity and the total, over the measures that there are: the others are left out.

    So does the benchmark's own script. The notes say how many there are.
    """
    parts: dict[str, float] = {}
    rows: list[Row] = []
    for part in (_QUALITY, _COMPLIANCE, _FIDELITY):
        own = [column.metric.name for column in columns if column.part == part]
        there = [name for name in own if name in means]
        if not there:
            rows.append(((part, ""), (none(f"{part}: none of its {len(own)} measures is here"),)))
            continue
        parts[part] = mean(means[name] for name in there)  # those with more weight are not among them
        note = "" if len(there) == len(own) else f"({len(there)} of {len(own)} measures)"
        rows.append(((part, ""), (Entry(value=parts[part], digits=4, note=note),)))
    if len(parts) == 3:
        total = Entry(value=mean(parts.values()), digits=4)
    else:
        total = none(f"total: only {', '.join(parts) or 'nothing'} is here")
    return [*rows, (("total", ""), (total,))]


IVEBENCH = Benchmark(
    title="IVEBench",
    layout="its data hold a json list of prompts, such as ivebench_prompt.json; an edit has the name of its "
    "source in your folder: a video, or a folder of pictures without the suffix",
    read=read,
    columns=columns,
    totals=totals,
)
