"""Which motion editors are given, by every way in: `edit`, comparisons, tables."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from following import installed
from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.footage import Fit, Footage
from frameweave.editing.many import edit_many
from frameweave.editing.options import EditManyOptions, EditOptions, PlanEditOptions
from frameweave.editing.planning.forecast import plan_edit
from frameweave.errors import InputError, RunError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes
from frameweave.runs.run import read_run
from frameweave.video import probe
from frameweave.video.motion import kept
from frameweave.video.motion.flows import flow_of
from frameweave.video.motion.motion import Motion, motion_of
from moving import panning
from videos import write_video


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Motion]:
    return installed(monkeypatch)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = (panning(20, 1, 30, 50).permute(0, 2, 3, 1) * 255).byte().numpy()
    return write_video(tmp_path / "pan.mp4", frames, fps=10)


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditOptions:
    return EditOptions(
        model=str(tiny_folder),
        device="cpu",
        editor="following",
        out=tmp_path / "run",
        cache=tmp_path / "cache",
    )


def edited(video: Path, options: EditOptions, notes: Notes | None = None) -> Path:
    return edit(video, ["a red car"], options, progress=notes or Notes())[0].video


def frames_of(video: Path, tiny: StableDiffusion, **footage: float) -> torch.Tensor:
    """As the model is given them."""
    info = probe(video)
    fit = Fit.for_model(tiny, (info.width, info.height), None)
    return torch.cat(list(Footage(info, **footage).batches(fit, 100)))  # pyright: ignore[reportArgumentType]


def same(a: Motion, b: Motion) -> bool:
    return a.offsets == b.offsets and torch.equal(a.flow, b.flow) and torch.equal(a.weight, b.weight)


def expected(frames: torch.Tensor, tiny: StableDiffusion, radius: int = 1, name: str = "dis") -> Motion:
    height, width = (side // tiny.vae_factor for side in frames.shape[2:])
    return motion_of(frames, radius, size=(height, width), provider=flow_of(name).provider)


def test_an_editor_is_given_the_motion_of_its_radius(
    given: list[Motion], video: Path, options: EditOptions, tiny: StableDiffusion
) -> None:
    edited(video, options.replaced(set=("reach=2",)))
    assert same(given[0], expected(frames_of(video, tiny), tiny, 2))


@pytest.mark.parametrize("name", ["farneback", "none"])
def test_another_flow_is_told_in_the_run_file(
    name: str, given: list[Motion], video: Path, options: EditOptions, tiny: StableDiffusion
) -> None:
    edited(video, options.replaced(flow=name))
    assert same(given[0], expected(frames_of(video, tiny), tiny, name=name))
    assert options.out is not None
    assert read_run(options.out).settings["flow"] == name


def test_a_range_knows_its_own_frames_only(
    given: list[Motion], video: Path, options: EditOptions, tiny: StableDiffusion
) -> None:
    edited(video, options.replaced(start=0.5, end=1.2))
    part = frames_of(video, tiny, start=0.5, end=1.2)
    assert len(part) == 7
    assert same(given[0], expected(part, tiny))
    assert not given[0].weight[0, 0].any() and not given[0].weight[1, -1].any()


def test_it_is_estimated_once_for_later_edits_and_never_again_for_more_prompts(
    given: list[Motion], video: Path, options: EditOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed(monkeypatch, alone=True)
    made = 0
    original = kept.MotionMaker.made

    def counting(self: kept.MotionMaker) -> Motion:
        nonlocal made
        made += 1
        return original(self)

    monkeypatch.setattr(kept.MotionMaker, "made", counting)
    edit(video, ["a red car", "a green car"], options)
    assert (made, len(given)) == (1, 2)
    first = given[0]
    edited(video, options.replaced(out=tmp_path / "again"))
    compare(video, "a red car", options.replaced(out=tmp_path / "compared", steps=1))
    assert made == 1
    assert all(same(motion, first) for motion in given)
    without = options.replaced(out=tmp_path / "anew", use_cache=False)
    edited(video, without)
    assert made == 2
    assert same(given[-1], first)


def test_it_lies_in_the_cache_folder_and_nowhere_without_one(
    given: list[Motion], video: Path, options: EditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEWEAVE_CACHE", str(tmp_path / "usual"))
    edited(video, options.replaced(use_cache=False))
    assert not list(tmp_path.rglob("*.motion"))
    edited(video, options.replaced(out=tmp_path / "b"))
    assert len(list((tmp_path / "cache").glob("*.motion"))) == 1
    edited(video, options.replaced(out=tmp_path / "c", cache=None))
    assert len(list((tmp_path / "usual" / "motion").glob("*.motion"))) == 1


def test_a_damaged_one_changes_nothing(
    given: list[Motion], video: Path, options: EditOptions, tmp_path: Path
) -> None:
    before = edited(video, options).read_bytes()
    (file,) = (tmp_path / "cache").glob("*.motion")
    file.write_bytes(file.read_bytes()[:-3])
    assert edited(video, options.replaced(out=tmp_path / "b")).read_bytes() == before


def flow_file(folder: Path, pairs: int, height: int = 30, width: int = 50, right: float = 1) -> Path:
    both = np.zeros((2, pairs, height, width, 2), np.float32)
    both[0, ..., 0], both[1, ..., 0] = right, -right
    np.save(folder / "flow.npy", both)
    return folder / "flow.npy"


def test_given_flow_is_followed_without_the_padding(
    given: list[Motion], video: Path, options: EditOptions, tmp_path: Path, tiny: StableDiffusion
) -> None:
    path = flow_file(tmp_path, 19)
    edited(video, options.replaced(flow=str(path)))
    fit = Fit.for_model(tiny, (50, 30), None)
    assert fit.padded != fit.scaled
    moved = fit.scaled[0] / 50 / tiny.vae_factor
    assert torch.allclose(given[0].flow[1, :-1, 0, :, :-1], torch.tensor(moved))
    assert options.out is not None
    record = read_run(options.out)
    assert record.settings["flow"] == str(path) and "flow" in record.contents


def test_given_flow_of_the_whole_video_serves_a_range(
    given: list[Motion], video: Path, options: EditOptions, tmp_path: Path
) -> None:
    both = np.load(flow_file(tmp_path, 19))
    both[:, 5:] *= 2
    np.save(tmp_path / "flow.npy", both)
    edited(video, options.replaced(flow=str(tmp_path / "flow.npy"), start=0.5, end=0.8))
    edited(video, options.replaced(flow=str(tmp_path / "flow.npy"), end=0.3, out=tmp_path / "b"))
    later, earlier = (motion.flow[1, 0, 0, 0, 0] for motion in given)
    assert float(later) == pytest.approx(2 * float(earlier))


def test_another_content_of_a_given_flow_is_another_run(
    given: list[Motion], video: Path, options: EditOptions, tmp_path: Path
) -> None:
    asked = options.replaced(flow=str(flow_file(tmp_path, 19)))
    edited(video, asked)
    flow_file(tmp_path, 19, right=2)
    with pytest.raises(RunError, match="has changed since it began"):
        edited(video, asked)
    edited(video, asked.replaced(out=tmp_path / "b"))
    assert not same(given[0], given[1])


@pytest.mark.parametrize(
    ("pairs", "height", "said"),
    [(4, 30, "a flow of 4 pairs of frames, expected 19 for 20 frames"), (19, 50, "a flow of 50 x 50 pixels")],
)
@pytest.mark.parametrize("way", [edit, compare])
def test_given_flow_that_does_not_fit_is_told_before_the_model_is_loaded(
    pairs: int, height: int, said: str, way: object, given: list[Motion], video: Path, options: EditOptions
) -> None:
    asked = options.replaced(flow=str(flow_file(video.parent, pairs, height)), steps=1)
    asked = asked.replaced(model=asked.model)
    with pytest.raises(InputError, match=said):
        if way is edit:
            edit(video, ["a red car"], asked, load=lambda _: pytest.fail("the model is loaded"))
        else:
            compare(video, "a red car", asked)
    assert options.out is not None and not options.out.exists()


@pytest.mark.parametrize("flow", ["diss", "flow.npz"])
def test_an_unknown_flow_is_told_by_every_command(
    flow: str, given: list[Motion], video: Path, options: EditOptions, tmp_path: Path
) -> None:
    asked = options.replaced(flow=flow)
    plan = PlanEditOptions(model=options.model, device="cpu", editor="following", flow=flow)
    many = EditManyOptions(model=options.model, device="cpu", editor="following", flow=flow, workers=0)
    table = tmp_path / "table.csv"
    table.write_text("video,prompt\npan.mp4,a red car\n")
    for told in (
        lambda: edit(video, ["a red car"], asked),
        lambda: compare(video, "a red car", asked),
        lambda: plan_edit(str(video), ["a red car"], plan),
        lambda: edit_many(table, many),
    ):
        with pytest.raises(InputError, match="did you mean dis|no such file"):
            told()
    assert options.out is not None and not options.out.exists()


def test_where_nothing_is_followed_a_flow_is_said_to_change_nothing(
    given: list[Motion], video: Path, options: EditOptions
) -> None:
    notes = Notes()
    edited(video, options.replaced(editor="framewise", steps=1, flow="none"), notes)
    assert "no motion is followed in this edit: the flow none changes nothing" in notes.texts


def test_each_line_of_a_table_may_have_its_own(
    given: list[Motion], video: Path, options: EditOptions, tmp_path: Path
) -> None:
    flow_file(tmp_path, 19)
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["video", "prompt", "flow"], ["pan.mp4", "a red car", "flow.npy"], ["pan.mp4", "a cat", "none"]]
        )
    many = EditManyOptions(
        model=options.model,
        device="cpu",
        editor="following",
        workers=0,
        out=tmp_path / "many",
        cache=tmp_path / "c",
    )
    done = edit_many(tmp_path / "table.csv", many)
    assert (done.done, done.failed) == (2, {})
    one, other = given
    assert float(one.flow[1, 0, 0].mean()) > 0 and not other.flow.any()


def test_a_relative_path_is_found_from_any_folder(
    given: list[Motion], video: Path, options: EditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow_file(tmp_path, 19)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("video,prompt\npan.mp4,a red car\n")
    many = EditManyOptions(
        model=options.model,
        device="cpu",
        editor="following",
        workers=0,
        flow="flow.npy",
        out=tmp_path / "many",
    )
    assert edit_many(Path("table.csv"), many.replaced(cache=tmp_path / "c")).done == 1
    (run,) = (tmp_path / "many").iterdir()
    assert Path(str(read_run(run).settings["flow"])).is_absolute()


def test_a_plan_has_room_for_it(given: list[Motion], options: EditOptions) -> None:
    asked = PlanEditOptions(model=options.model, device="cpu", editor="following", frames=40)
    near, far = (plan_edit("64x64", [], asked.replaced(set=(f"reach={reach}",))) for reach in (1, 8))
    assert far.rows[1].device_bytes > near.rows[1].device_bytes
    assert far.rows[0].device_bytes >= near.rows[0].device_bytes
