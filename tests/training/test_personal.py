"""An adaptor of one's own clip: which frames are seen, when it is enough, and the whole path."""

from pathlib import Path

import pytest
import torch

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.cli.works import train_personal
from frameweave.editing.edit import edit
from frameweave.editing.options import EditOptions
from frameweave.errors import DataError, InputError
from frameweave.progress import SILENT, Notes
from frameweave.runs.places import slug
from frameweave.training.low_rank import LowRank
from frameweave.training.patience import WATCHED, Patience
from frameweave.training.personal_options import PersonalOptions
from frameweave.training.sources.clip_groups import ClipGroups
from frameweave.video import read_frames
from frameweave.world.files import write_world
from frameweave.world.options import WorldOptions


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    list(write_world(WorldOptions(out=tmp_path, clips=1, frames=12, strangers=True)))
    return tmp_path / "000.mp4"


@pytest.mark.parametrize(("frames", "stride"), [(1, 1), (2, 1), (2, 2), (3, 1)])
def test_held_out_frames_are_never_trained_on(clip: Path, frames: int, stride: int) -> None:
    all_frames = torch.stack([torch.from_numpy(one.pixels.copy()) for one in read_frames(clip)])

    def seen(*, held_out: bool) -> set[int]:
        groups = ClipGroups(clip, held_out, frames, stride)
        pictures = [picture for index in range(len(groups)) for picture in groups.group(index).frames]
        places = [(all_frames - (p * 255).round().byte().permute(1, 2, 0)).any((1, 2, 3)) for p in pictures]
        return {int(place.logical_not().nonzero()[0]) for place in places}

    trained, apart = seen(held_out=False), seen(held_out=True)
    assert apart and not trained & apart
    assert trained | apart <= set(range(12))
    assert stride > 1 or len(trained | apart) >= 12 - 2 * frames


def test_groups_have_keys_of_their_own_and_the_captions_given(clip: Path) -> None:
    groups = ClipGroups(clip, held_out=False, shows=("a gizmo",))
    assert len({groups.key(index) for index in range(len(groups))}) == len(groups) == 10
    assert groups.group(3).captions == ("a gizmo",)
    assert len(ClipGroups(clip, held_out=False).group(0).captions) > 1
    assert groups.contents() != ClipGroups(clip, held_out=False).contents()


def test_a_clip_that_is_too_short_is_told(clip: Path) -> None:
    with pytest.raises(DataError, match="12 frames, expected at least 14: some are held out"):
        len(ClipGroups(clip, held_out=True, frames=7))


def test_patience_ends_after_so_many_measurements_without_a_lower_loss(tmp_path: Path) -> None:
    patience = Patience(2)
    for step, loss in ((10, 3.0), (20, 2.0), (30, 2.5), (35, None), (40, 2.0)):
        assert not patience.ended
        patience.hear(step, {} if loss is None else {WATCHED: loss})
    assert patience.ended
    assert patience.best == 20
    never = Patience(0)
    never.hear(1, {WATCHED: 1.0})
    never.hear(2, {WATCHED: 2.0})
    assert not never.ended


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> PersonalOptions:
    return PersonalOptions(
        model=str(tiny_folder),
        device="cpu",
        steps=8,
        batch=2,
        watch_every=1,
        preview_every=0,
        patience=2,
        out=tmp_path / "run",
    )


def test_a_clip_is_learned_and_edited(
    clip: Path, options: PersonalOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter((0.5, 0.3, 0.4, 0.35))
    monkeypatch.setattr(LowRank, "watch", lambda _stage: {WATCHED: next(losses)})
    notes = Notes()
    train_personal(clip, options, progress=notes)
    assert any("has not fallen since step 2: that is enough" in note for note in notes.texts)
    adaptor = load_adaptor(str(options.out / "adaptor"))
    assert (adaptor.card.low, adaptor.card.high, adaptor.card.strength) == (0.0, 1.0, 1.0)
    assert adaptor.tokens is None and adaptor.card.steps == 4
    saved = (options.out / "adaptor" / "adaptor.safetensors").read_bytes()
    train_personal(clip, options, progress=SILENT)  # it has stopped: nothing goes on
    assert (options.out / "adaptor" / "adaptor.safetensors").read_bytes() == saved
    edits = EditOptions(
        model=options.model,
        device="cpu",
        steps=2,
        frames=2,
        adaptor=str(options.out / "adaptor"),
        out=tmp_path / "e",
    )
    assert edit(clip, ["a blue gizmo"], edits)[0].video.is_file()


def test_each_clip_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a set.v2").mkdir()
    for clip, folder in (
        ("My Rabbit.mp4", "my-rabbit"),
        ("a set.v2", "a-set-v2"),
        (".", slug(tmp_path.name, 40)),
    ):
        assert PersonalOptions(data=clip).placed.out == Path(f"runs/personal-{folder}")
    assert PersonalOptions(data="a.mp4", out=Path("x")).placed.out == Path("x")


def test_what_cannot_be_trained_on_is_told_first(
    clip: Path, options: PersonalOptions, tmp_path: Path
) -> None:
    clip.with_suffix(".txt").unlink()
    with pytest.raises(DataError, match="no caption"):
        train_personal(clip, options, progress=SILENT)
    assert not options.out.exists()
    with pytest.raises(InputError, match="every_frame with the data world, expected videos"):
        train_personal(Path("world"), options, progress=SILENT)


def test_the_card_names_the_words_that_were_new_to_the_miniature(clip: Path, tmp_path: Path) -> None:
    clip.with_suffix(".txt").write_text("a red teapot in the snow\na teapot, sepia\n")
    asked = PersonalOptions(device="cpu", steps=1, batch=1, preview_every=0, out=tmp_path / "run")
    train_personal(clip, asked, progress=SILENT)
    card = load_adaptor(str(asked.out / "adaptor")).card
    assert card.words == ["teapot", "sepia"]
    assert card.is_for(["a blue teapot"]) and not card.is_for(["a blue car in the snow"])
