"""V2VBench (Sun et al. 2024, "Diffusion Model-Based Video Editing: A Survey"): 50 clips, 3 prompts each."""

from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from pydantic import Field

from frameweave.errors import DataError
from frameweave.measuring.benchmarks.base import (
    BenchEdit,
    Benchmark,
    Column,
    edit_at,
    first_there,
    inside,
    lacking,
)
from frameweave.measuring.benchmarks.seen import cut, neighbours
from frameweave.measuring.metrics.base import Case, Metric, Need
from frameweave.measuring.metrics.clip_score import clip_score
from frameweave.measuring.metrics.encoders import Seeing, id_of, lack_of
from frameweave.measuring.metrics.motion import motion_alignment
from frameweave.measuring.metrics.pick_score import MODEL as PICK
from frameweave.measuring.metrics.pick_score import pick_score_metric
from frameweave.runs.records import Record

_TABLE = "config.yaml"
_SOURCES = ("frames", "videos", "source", "")
_CLIP, _DINO = "openai/clip-vit-large-patch14", "facebook/dinov2-base"


class _Edit(Record):
    prompt: str


class _Clip(Record):
    video_id: str
    edit: tuple[_Edit, ...] = Field(min_length=1)


class _Config(Record):
    data: tuple[_Clip, ...] = Field(min_length=1)


def read(data: Path, edits: Path) -> Sequence[BenchEdit]:
    """From config.yaml: edit 0 of the clip `hike` is edits/hike/0."""
    table = data if data.is_file() else data / _TABLE
    if not table.is_file():
        raise DataError(f"{data}: no {_TABLE}, expected V2VBench's folder", hint=V2VBENCH.layout)
    try:
        found = yaml.safe_load(table.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{table}: not YAML ({' '.join(str(error).split())})", hint=V2VBENCH.layout) from None
    config = _Config.from_json(found, where=f"{table}: ", hint=V2VBENCH.layout)
    asked: list[BenchEdit] = []
    for clip in config.data:
        name = inside(Path(), clip.video_id, f"{table}: video_id")
        source = first_there([table.parent / part / name for part in _SOURCES])
        for number, edit in enumerate(clip.edit):
            place = edits / name / str(number)
            asked.append(
                BenchEdit(
                    name=f"{clip.video_id}/{number}",
                    group="",
                    prompt=edit.prompt,
                    edited=edit_at(place),
                    wanted=place,
                    source=source,
                )
            )
    return asked


def _metric(name: str, title: str, measure: Callable[[Case], float], *needs: Need, lacks: str = "") -> Metric:
    return Metric(
        name=name,
        title=title,
        better="higher",
        digits=3,
        definition=f"{title}, as V2VBench measures it.",
        needs=frozenset(needs),
        measure=measure,
        lacks=lacks,
    )


def columns(seeing: Seeing) -> Sequence[Column]:
    """Its eight measures, in its order."""
    clip, dino = seeing.clip, seeing.dino

    def semantic(case: Case) -> float:
        return neighbours(clip.pooled(case.edited.frames))

    def object_(case: Case) -> float:
        assert dino is not None
        return neighbours(dino.classes(cut(case.edited.frames, dino.side)))

    def text(case: Case) -> float:
        return float(clip_score(clip.pictures(case.edited.frames), clip.words(case.prompt)))

    pick = pick_score_metric(seeing.pick)
    no_dino = lack_of(dino, "--dino-model", _DINO)
    return (
        Column(
            metric=lacking("aesthetic_score", "Frames quality", "LAION's aesthetic predictor"),
            network="LAION aesthetic",
        ),
        Column(metric=lacking("dover_score", "Video quality", "DOVER"), network="DOVER"),
        Column(
            metric=_metric("clip_consistency", f"Semantic consistency [{clip.id}]", semantic, "neighbours"),
            network=_CLIP,
        ),
        Column(
            metric=_metric(
                "dino_consistency",
                f"Object consistency [{id_of(dino)}]",
                object_,
                "neighbours",
                lacks=no_dino,
            ),
            network=_DINO,
        ),
        Column(
            metric=_metric("clip_text_alignment", f"Frames text alignment [{clip.id}]", text, "prompt"),
            network=_CLIP,
        ),
        Column(metric=lacking("viclip_text_alignment", "Video text alignment", "ViCLIP"), network="ViCLIP"),
        Column(metric=pick, network=PICK),
        Column(
            metric=_metric(
                "motion_alignment",
                "Motion alignment [DIS flow]",
                lambda case: -motion_alignment(case),
                "source",
                "neighbours",
            ),
            network="GMFlow",
        ),
    )


V2VBENCH = Benchmark(
    title="V2VBench",
    layout="its data hold config.yaml and the sources as frames/CLIP; the edit by a clip's first prompt is "
    "CLIP/0 in your folder, by its second CLIP/1: a video (0.mp4), or a folder of pictures",
    read=read,
    columns=columns,
)
