"""FiVE (Li et al. 2025): 100 clips, 420 edits of six kinds, with masks. Every eighth frame counts."""

from collections.abc import Callable, Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from frameweave.errors import DataError
from frameweave.measuring.benchmarks.base import (
    BenchEdit,
    Benchmark,
    Column,
    edit_at,
    first_there,
    inside,
    lacking,
    listed,
)
from frameweave.measuring.metrics.base import Better, Case, Frames, Metric, Need
from frameweave.measuring.metrics.encoders import Seeing, id_of, lack_of
from frameweave.measuring.metrics.fidelity import psnr, ssim
from frameweave.measuring.metrics.structure import MODEL as DINO
from frameweave.measuring.metrics.structure import structure_distance
from frameweave.runs.records import Record

_TABLES = "edit*_FiVE.json"
_CLIP = "openai/clip-vit-large-patch14"
_LEVELS = 255  # its program gives DINO pictures of 255 levels where 1 is meant


class _Line(Record):
    video_name: str
    source_prompt: str
    target_prompt: str
    save_dir: str = ""


class _Lines(Record):
    lines: tuple[_Line, ...]


def read(data: Path, edits: Path) -> Sequence[BenchEdit]:
    """From edit_prompt/edit1_FiVE.json to edit6_FiVE.json, or one of them."""
    tables = [data] if data.is_file() else sorted((data / "edit_prompt").glob(_TABLES))
    if not tables:
        raise DataError(f"{data}: no edit_prompt/{_TABLES}, expected FiVE's folder", hint=FIVE.layout)
    root = data.parent.parent if data.is_file() else data
    return [edit for table in tables for edit in _of_table(table, root, edits)]


def _of_table(table: Path, root: Path, edits: Path) -> Sequence[BenchEdit]:
    lines = _Lines.from_json({"lines": listed(table, FIVE.layout)}, where=f"{table}: ").lines
    asked: list[BenchEdit] = []
    for number, line in enumerate(lines):
        where = f"{table}, entry {number}"
        clip = inside(Path(), line.video_name, where)
        place = edits / clip / (inside(Path(), line.save_dir, where) if line.save_dir else "")
        mask = root / "bmasks" / clip
        asked.append(
            BenchEdit(
                name=f"{table.stem}/{number} {line.video_name}",
                group=table.stem.split("_")[0],
                prompt=_words(line.target_prompt),
                source_prompt=_words(line.source_prompt),
                edited=edit_at(place) or _only_folder(place),
                wanted=place,
                source=first_there([root / "images" / clip, root / "videos" / clip]),
                mask=mask if mask.is_dir() else None,
            )
        )
    return asked


def _words(prompt: str) -> str:
    """Without the marks around what changes."""
    return prompt.replace("[", "").replace("]", "")


def _only_folder(place: Path) -> Path | None:
    """The pictures of a method that puts them one folder deeper."""
    folders = [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []
    return edit_at(folders[0]) if len(folders) == 1 else None


def _kept(case: Case) -> tuple[Frames, Frames]:
    """Edited and source, black where the mask is, without the frames of which it leaves nothing."""
    assert case.source is not None and case.mask is not None
    outside = 1 - case.mask
    some = outside.flatten(1).any(1)
    return (case.edited.frames * outside)[some], (case.source.frames * outside)[some]


def _outside(formula: Callable[[Frames, Frames], Tensor]) -> Callable[[Case], float]:
    return lambda case: float(formula(*_kept(case)).mean())


def _squares(a: Frames, b: Frames) -> Float[Tensor, " F"]:
    return (a - b).square().mean((1, 2, 3))


def columns(seeing: Seeing) -> Sequence[Column]:
    """Its measures, in its order."""
    clip, dino = seeing.clip, seeing.dino

    def structure(case: Case) -> float:
        assert dino is not None and case.source is not None
        return structure_distance(dino, case.edited.frames * _LEVELS, case.source.frames * _LEVELS)

    def text(frames: Frames, words: str) -> float:
        return 100 * float((clip.pictures(frames) @ clip.words(words)).clamp(min=0).mean())

    def source_text(case: Case) -> float:
        assert case.source is not None
        return text(case.source.frames, case.source_prompt)

    def part_text(case: Case) -> float:
        assert case.mask is not None
        shown = case.mask.flatten(1).any(1)
        return text((case.edited.frames * case.mask)[shown], case.prompt)

    def column(
        name: str, title: str, measure: Callable[[Case], float], better: Better, scale: float, *needs: Need
    ) -> Column:
        used = {
            "struct": (id_of(dino), DINO, lack_of(dino, "--dino-model", DINO)),
            "clip": (clip.id, _CLIP, ""),
        }
        own, network, lacks = next((used[kind] for kind in used if name.startswith(kind)), ("", "", ""))
        metric = Metric(
            name=name,
            title=f"{title}{f' x {scale:g}' if scale > 1 else ''}{f' [{own}]' if own else ''}",
            better=better,
            digits=3,
            definition=f"{title}, as FiVE measures it.",
            needs=frozenset(needs),
            measure=measure,
            lacks=lacks,
        )
        return Column(metric=metric, network=network, scale=scale)

    tracks = "CoTracker"
    return (
        column("structure_distance", "Structure distance", structure, "lower", 1000, "source"),
        column("psnr_unedit_part", "PSNR outside [dB]", _outside(psnr), "higher", 1, "source", "mask"),
        Column(
            metric=lacking(
                "lpips_unedit_part", "LPIPS outside x 1000", "LPIPS of SqueezeNet", better="lower"
            ),
            network="SqueezeNet",
        ),
        column("mse_unedit_part", "MSE outside", _outside(_squares), "lower", 10_000, "source", "mask"),
        column("ssim_unedit_part", "SSIM outside", _outside(ssim), "higher", 100, "source", "mask"),
        column("clip_similarity_source_image", "CLIP, source", source_text, "higher", 1, "source"),
        column(
            "clip_similarity_target_image",
            "CLIP, edited",
            lambda case: text(case.edited.frames, case.prompt),
            "higher",
            1,
        ),
        column(
            "clip_similarity_target_image_edit_part", "CLIP, edited part", part_text, "higher", 1, "source"
        ),
        Column(metric=lacking("niqe_target_image", "NIQE", "NIQE", better="lower"), network="NIQE"),
        Column(metric=lacking("motion_fidelity_score", "Motion fidelity x 100", tracks), network=tracks),
        Column(
            metric=lacking("motion_fidelity_score_edit_part", "Motion fidelity of the part x 100", tracks),
            network=tracks,
        ),
        Column(metric=lacking("five_acc", "FiVE-Acc x 100", "Qwen2.5-VL-7B"), network="Qwen2.5-VL-7B"),
    )


FIVE = Benchmark(
    title="FiVE",
    layout="its data hold edit_prompt/edit1_FiVE.json and the others, images/CLIP and bmasks/CLIP; an edit "
    "is CLIP/SAVE_DIR in your folder, as the json file names SAVE_DIR: a folder of pictures or a video",
    read=read,
    columns=columns,
    stride=8,
    masked=True,
    at_source_size=True,
)
