"""Failures over a whole data set: each clip once, by the last try that is planned."""

import json
from pathlib import Path

from frameweave.data.dataset import LastTries
from frameweave.data.plan import Choice, Plan, write_plan
from frameweave.data.record import ClipRecord
from prepared import Listed


def made(folder: Path, shard: str, **reasons: str) -> None:
    """What the job writes of a shard's clips."""
    lines = (
        json.dumps({"clip": name, "groups": 0, "reason": why} if why else {"clip": name, "groups": 1})
        for name, why in reasons.items()
    )
    (folder / f"{shard}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def test_a_clip_that_was_tried_again_counts_once(tmp_path: Path) -> None:
    clips = [ClipRecord(id=name, path=name) for name in "abcd"]
    write_plan(tmp_path, Listed(clips), {}, Choice(source="here", clips_per_shard=2))
    made(tmp_path, "all-000000", a="still", b="")
    made(tmp_path, "all-000001", c="still", d="still")
    first = LastTries(Plan.open(tmp_path))
    for shard in ("all-000001", "all-000000"):
        first.count(shard)
    assert (first.clips, first.failed, first.complete) == (4, 3, True)

    Plan.open(tmp_path).extended("all", [clips[0], clips[2]], 1)
    made(tmp_path, "all-000002", a="")
    made(tmp_path, "all-000003", c="still")
    second = LastTries(Plan.open(tmp_path))
    for shard in ("all-000000", "all-000001"):
        second.count(shard)
    assert (second.clips, second.failed, second.complete) == (2, 1, False)  # a and c are still to be tried
    second.count("all-000002")
    assert (second.clips, second.failed) == (3, 1)
    second.count("all-000003")
    assert (second.clips, second.failed, second.complete) == (4, 2, True)
