"""Edits steered by ControlNets of any kind: pictures made or given, and every error before the work."""

from pathlib import Path
from typing import Any

import pytest
import torch

from frameweave.editing.edit import edit
from frameweave.editing.footage import Fit, Footage
from frameweave.editing.generate import generate
from frameweave.editing.given.control_maps import GivenMap, MapMaker, Wanted
from frameweave.editing.inversions import setting_of
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.editing.setup import editor_of
from frameweave.editing.steering import made_to_steer
from frameweave.errors import InputError
from frameweave.models.depth import DepthEstimator
from frameweave.models.loading.load import load, load_chosen
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video import probe
from frameweave.video.clip import Clip

SIZE = (32, 24)


def write(path: Path, frames: int, size: tuple[int, int] = SIZE, *, seed: int = 1) -> Path:
    rng = torch.Generator().manual_seed(seed)
    Clip.of(torch.rand(frames, 3, size[1], size[0], generator=rng), fps=8).write(path)
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write(tmp_path / "clip.mp4", 4)


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditOptions:
    canny = f"canny={tiny_folder / 'controlnet'}"
    return EditOptions(
        model=str(tiny_folder),
        device="cpu",
        size=32,
        steps=2,
        use_cache=False,
        editor="text2video_zero",
        control=(canny,),
        out=tmp_path / "run",
        overwrite=True,
    )


def bytes_of(video: Path, options: EditOptions) -> bytes:
    (made,) = edit(video, ["a red car"], options)
    return made.video.read_bytes()


def test_every_way_to_the_pictures(
    video: Path, options: EditOptions, tiny_folder: Path, tmp_path: Path
) -> None:
    """Made, given as made, given otherwise, with other scales and shares: what differs must show."""
    canny = options.control[0]
    made = bytes_of(video, options)
    assert bytes_of(video, options) == made
    other = options.replaced(control_map=(f"canny={write(tmp_path / 'map.mp4', 4, seed=5)}",))
    assert bytes_of(video, other) != made
    silent = bytes_of(video, options.replaced(control=(f"{canny}@0",)))
    assert bytes_of(video, options.replaced(control=(f"{canny}@1:0-0.5",))) not in (made, silent)
    two = options.replaced(control=(canny, f"depth={tiny_folder / 'controlnet'}@0"))
    assert bytes_of(video, two) == made
    assert bytes_of(video, options.replaced(control=(f"lineart={tiny_folder / 'controlnet'}",))) != made


def test_a_map_of_the_whole_video_serves_a_part_of_it(
    video: Path, options: EditOptions, tmp_path: Path
) -> None:
    whole = write(tmp_path / "whole.mp4", 4, seed=5)
    numbers = Footage(probe(video), 2).numbers
    assert list(numbers) == [0, 1] and Footage(probe(video)).whole == 4
    fit, given = Fit(SIZE, SIZE, SIZE), GivenMap("canny", whole)
    found = given.read(fit, Wanted(2, [1, 3], 4))
    assert torch.equal(found, given.read(fit, Wanted(4))[[1, 3]])
    one = GivenMap("canny", write(tmp_path / "one.mp4", 1))
    assert one.read(fit, Wanted(4)).shape == (4, 3, 24, 32)


def test_maps_follow_scaling_and_padding(tmp_path: Path) -> None:
    given = GivenMap("tile", write(tmp_path / "map.mp4", 2, (64, 48)))
    fit = Fit.of(SIZE, 16, 8)
    assert fit.padded == (16, 16) and given.read(fit, Wanted(2)).shape == (2, 3, 16, 16)


def test_depth_is_scaled_over_the_whole_clip() -> None:
    class Estimator(DepthEstimator):
        def raw(self, frames: torch.Tensor) -> torch.Tensor:
            return frames[:, :1] * 1e6  # more than half precision holds

    maker = MapMaker(("depth", "tile"), Estimator(torch.nn.Identity()))
    for value in (0.25, 0.5):
        maker.add(torch.full((1, 3, 2, 2), value))
    made = maker.made()
    assert made["depth"][:, 0, 0, 0].tolist() == [0.0, 1.0]
    assert made["tile"].shape == (2, 3, 2, 2)


def test_an_editor_is_set_so_that_controlnets_steer_it() -> None:
    assert made_to_steer("vidtome", {}).variant == "depth"  # pyright: ignore
    assert made_to_steer("tokenflow", {"steps": 3}).controlnet is True  # pyright: ignore
    with pytest.raises(InputError, match=r"variant=pnp takes no ControlNet; .* --set variant=depth"):
        made_to_steer("vidtome", {"variant": "pnp"})
    with pytest.raises(
        InputError,
        match=r"framewise takes no ControlNet; .*text2video_zero, tokenflow \(controlnet=true\), vidtome",
    ):
        made_to_steer("framewise", {})


@pytest.mark.parametrize("how", ["controlnet", "control"])
def test_a_controlnet_that_is_named_in_short_steers_too(how: str) -> None:
    asked = {"controlnet": "owner/name"} if how == "controlnet" else {"control": ("depth=owner/name",)}
    assert editor_of(EditOptions(editor="delta", **asked)).needs_depth
    with pytest.raises(InputError, match="framewise takes no ControlNet; leave the ControlNet out"):
        editor_of(EditOptions(editor="framewise", **asked))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"editor": "framewise"}, "framewise takes no ControlNet"),
        ({"set": ("variant=instruct",)}, "variant=instruct takes no ControlNet"),
        ({"control": ("pose=x",)}, "of kind pose needs pictures, .*--control-map pose=FILE"),
        ({"control_map": ("depth=x.mp4",)}, "no ControlNet reads pictures of kind depth"),
        ({"control_map": ("canny",)}, "expected a kind of picture and a name"),
        ({"control_map": ("canny=a.mp4", "canny=b.mp4")}, "given twice"),
        ({"control_map": ("canny=absent.mp4",)}, "absent.mp4: no such file"),
        ({"control_map": ("canny=LONG",)}, "a control map of 3 frames, expected 4"),
        ({"control_map": ("canny=TALL",)}, "a control map of 24 x 32 pixels, the video has 32 x 24"),
    ],
)
def test_bad_input_is_told_before_the_model_is_loaded(
    change: dict[str, Any], told: str, video: Path, options: EditOptions, tmp_path: Path
) -> None:
    long, tall = write(tmp_path / "long.mp4", 3), write(tmp_path / "tall.mp4", 4, (24, 32))
    if "control_map" in change:
        texts = change["control_map"]
        change = {
            "control_map": tuple(t.replace("LONG", str(long)).replace("TALL", str(tall)) for t in texts)
        }

    def forbidden(_: object) -> StableDiffusion:
        raise AssertionError("heavy work")

    with pytest.raises(InputError, match=told):
        edit(video, ["a red car"], options.replaced(**change), load=forbidden)
    assert not (tmp_path / "run").exists()


def test_inversions_know_which_controlnets_steered(options: EditOptions, tiny_folder: Path) -> None:
    control = tiny_folder / "controlnet"
    ways = [
        (),
        (f"depth={control}",),
        (f"canny={control}",),
        (f"canny={control}@0.5",),
        (f"canny={control}@1:0-0.5",),
    ]
    found = [
        setting_of(load_chosen(asked.choice), asked)
        for asked in (options.replaced(control=way) for way in ways)
    ]
    assert len(set(found)) == len(ways) - 1 and found[0] == found[1]


def test_a_clip_from_text_follows_given_pictures(options: EditOptions, tmp_path: Path) -> None:
    asked = GenerateOptions(
        model=options.model,
        device="cpu",
        steps=20,
        frames=2,
        size=32,
        control=options.control,
        out=tmp_path / "made",
        control_map=(f"canny={write(tmp_path / 'wide.mp4', 2, (48, 24))}",),
    )
    steered = generate("a red car", asked)
    assert (probe(steered.video).width, probe(steered.video).height) == (32, 16)
    first = steered.video.read_bytes()
    others = asked.replaced(
        out=tmp_path / "b", control_map=(f"canny={write(tmp_path / 'c.mp4', 2, (48, 24), seed=8)}",)
    )
    assert generate("a red car", others).video.read_bytes() != first
    with pytest.raises(InputError, match=r"needs pictures.*there is no video"):
        generate("a red car", asked.replaced(control_map=(), out=tmp_path / "c"))


def test_tokenflow_inverts_under_the_pictures_that_steer_it(tiny: StableDiffusion, tiny_folder: Path) -> None:
    from frameweave.editors.running import edit_clip

    model = load(str(tiny_folder), device="cpu", control=(f"canny={tiny_folder / 'controlnet'}",))
    clip = Clip.of(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    editor = made_to_steer("tokenflow", {"steps": 2})
    frames = [
        edit_clip(
            editor, clip, "a red car", model, maps={"canny": maps}, rng=torch.Generator().manual_seed(0)
        ).frames
        for maps in (torch.zeros(2, 1, 32, 32), torch.ones(2, 1, 32, 32))
    ]
    assert not torch.allclose(*frames)
