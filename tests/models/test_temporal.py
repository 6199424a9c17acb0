"""A decoder that looks along time: against diffusers' own, its runs, and what else it must not change."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor

from frameweave.editing.edit import edit
from frameweave.editing.inversions import setting_of
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError, ModelFolderError, OutOfMemory
from frameweave.models.loading.load import load, load_chosen
from frameweave.models.running.asked import placed
from frameweave.models.running.placement import Placement
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.temporal import TemporalDecoder
from frameweave.progress import Notes
from frameweave.video import read_frames
from videos import colour_ramp, write_video

SCALE = 0.18215


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporal VAE with random weights, half of each layer looking along time."""
    torch.manual_seed(2)
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 64), down_block_types=("DownEncoderBlock2D",) * 2
    )
    place = tmp_path_factory.mktemp("models") / "temporal"
    vae.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def whole(folder: Path) -> AutoencoderKLTemporalDecoder:
    """As diffusers loads it, in float64."""
    return AutoencoderKLTemporalDecoder.from_pretrained(folder).double().eval()


@pytest.fixture(scope="module")
def exact(folder: Path, tiny_folder: Path) -> StableDiffusion:
    return load(str(tiny_folder), device="cpu", dtype="fp64", vae=str(folder))


def latents(frames: int, side: int = 4) -> Tensor:
    """Of a clip that changes slowly."""
    rng = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 4, side, side, generator=rng, dtype=torch.float64)
    at = torch.linspace(0, 1, frames, dtype=torch.float64)[:, None, None, None]
    return 0.3 * ((1 - at) * a + at * b)


@torch.no_grad()
def by_diffusers(whole: AutoencoderKLTemporalDecoder, x: Tensor) -> Tensor:
    shown = whole.decode(x / SCALE, num_frames=len(x)).sample
    return (shown / 2 + 0.5).clamp(0, 1)


@pytest.mark.parametrize("frames", [1, 2, 5, 14])
def test_a_short_clip_is_what_diffusers_makes_of_it(
    frames: int, exact: StableDiffusion, whole: AutoencoderKLTemporalDecoder
) -> None:
    x = latents(frames)
    found = exact.decode(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, by_diffusers(whole, x).float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("frames", [15, 24, 25, 34])
def test_runs_pass_into_one_another_and_the_last_ends_with_the_clip(
    frames: int, exact: StableDiffusion, whole: AutoencoderKLTemporalDecoder
) -> None:
    """Each frame is the mean of what runs of 14 say of it, the ends of a run counting less."""
    x = latents(frames)
    starts = [k for k in range(0, frames, 10) if k + 14 < frames] + [frames - 14]
    total, weights = torch.zeros(frames, 3, 8, 8, dtype=torch.float64), torch.zeros(frames, 1, 1, 1)
    with torch.no_grad():
        for start in starts:
            shown = whole.decode(x[start : start + 14] / SCALE, num_frames=14).sample
            for k in range(14):
                w = min(k + 1, 14 - k, 5)
                total[start + k] += w * shown[k]
                weights[start + k] += w
    expected = (total / weights / 2 + 0.5).clamp(0, 1)
    parts = list(exact.decoded(x))
    assert sum(map(len, parts)) == frames and max(map(len, parts)) <= 14
    torch.testing.assert_close(torch.cat(parts), expected.float(), atol=1e-5, rtol=0)
    assert torch.equal(exact.decode(x), torch.cat(parts))


def test_no_more_than_a_run_is_decoded_at_once(exact: StableDiffusion) -> None:
    sizes: list[int] = []
    assert exact.temporal is not None
    hook = exact.temporal.network.register_forward_pre_hook(lambda _module, args: sizes.append(len(args[0])))
    try:
        stream = exact.decoded(latents(60))
        next(stream)
        assert sizes == [14]
        assert sum(map(len, stream)) == 50
    finally:
        hook.remove()
    assert sizes == [14] * 6


def test_seams_are_fainter_than_without_overlap(
    exact: StableDiffusion, whole: AutoencoderKLTemporalDecoder
) -> None:
    """Beside all frames decoded at once, whose steps from frame to frame have no seams."""
    x, temporal = latents(42), exact.temporal
    assert temporal is not None
    with torch.no_grad():
        joint = whole.decode(x / SCALE, num_frames=42).sample
        parted = [whole.decode(part / SCALE, num_frames=14).sample for part in x.split(14)]
        ours = torch.cat(list(temporal.over(x / SCALE)))

    def largest_step(pictures: Tensor) -> float:
        return float((pictures[1:] - pictures[:-1]).abs().mean((1, 2, 3)).double()[2:-2].max())

    smooth, cut, faded = (largest_step(one) for one in (joint, torch.cat(parted), ours))
    assert faded - smooth < (cut - smooth) / 2


def test_the_models_own_vae_encodes(exact: StableDiffusion, tiny_folder: Path) -> None:
    own = load(str(tiny_folder), device="cpu", dtype="fp64")
    frames = torch.rand(3, 3, 16, 8, dtype=torch.float64)
    assert torch.equal(exact.encode(frames), own.encode(frames))
    assert not torch.allclose(exact.decode(own.encode(frames)), own.decode(own.encode(frames)), atol=1e-2)


def test_inversions_are_shared_with_edits_without_it(tiny_folder: Path, folder: Path) -> None:
    plain = EditOptions(model=str(tiny_folder), device="cpu")
    with_it = plain.replaced(vae=str(folder))
    settings = {setting_of(load_chosen(one.choice), one) for one in (plain, with_it)}
    assert len(settings) == 1


def test_fp16_is_not_trusted(tiny_folder: Path, folder: Path, tmp_path: Path) -> None:
    for upcast, dtype in ((True, torch.float32), (False, torch.float16)):
        place = tmp_path / str(upcast)
        AutoencoderKLTemporalDecoder.from_pretrained(folder).save_pretrained(place)
        file = place / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"force_upcast": upcast}))
        temporal = load(str(tiny_folder), device="cpu", dtype="fp16", vae=str(place)).temporal
        assert temporal is not None and temporal.dtype == dtype
    temporal = load(str(tiny_folder), device="cpu", dtype="bf16", vae=str(folder)).temporal
    assert temporal is not None and temporal.dtype == torch.bfloat16


def test_where_runs_do_not_fit_shorter_ones_are_taken(
    folder: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(str(tiny_folder), device="cpu", vae=str(folder))
    x, original, largest = latents(30).float(), TemporalDecoder._decoded, 4

    def failing(self: TemporalDecoder, z: Tensor) -> Tensor:
        if len(z) > largest:
            raise torch.OutOfMemoryError
        return original(self, z)

    monkeypatch.setattr(TemporalDecoder, "_decoded", failing)
    found = model.decode(x)
    assert found.shape == (30, 3, 8, 8) and found.isfinite().all()
    largest = 0
    with pytest.raises(OutOfMemory, match="decoding one picture"):
        model.decode(x)


@pytest.mark.parametrize("part", ["vae", "vae_temporal_decoder"])
def test_it_may_lie_in_the_folder_of_a_whole_model(
    part: str, tiny_folder: Path, folder: Path, tmp_path: Path
) -> None:
    AutoencoderKLTemporalDecoder.from_pretrained(folder).save_pretrained(tmp_path / part)
    if part != "vae":
        load(str(tiny_folder), device="cpu").vae.save_pretrained(tmp_path / "vae")
    assert load(str(tiny_folder), device="cpu", vae=str(tmp_path)).temporal is not None


def test_what_it_does_not_fit_is_refused_by_name(
    tiny_folder: Path, tiny_xl_folder: Path, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelFolderError, match="a temporal decoder.*the model is of SDXL's kind"):
        load(str(tiny_xl_folder), device="cpu", vae=str(folder))
    with pytest.raises(ModelFolderError, match="scaling_factor 0.18215, the model's own has"):
        load("miniature", device="cpu", vae=str(folder))
    with pytest.raises(InputError, match="--vae-tiles with .*cannot decode in tiles"):
        load(str(tiny_folder), device="cpu", vae=str(folder), vae_tiles=True)
    deeper = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 32), down_block_types=("DownEncoderBlock2D",) * 3
    )
    deeper.save_pretrained(tmp_path)
    with pytest.raises(ModelFolderError, match="4 times smaller, the model's own 2 times"):
        load(str(tiny_folder), device="cpu", vae=str(tmp_path))


def test_a_single_file_of_it_is_told(tiny_folder: Path, folder: Path) -> None:
    file = next(folder.glob("*.safetensors"))
    with pytest.raises(ModelFolderError, match="a temporal decoder in a single file.*give its folder"):
        load(str(tiny_folder), device="cpu", vae=str(file))


def test_its_place_is_the_device_while_it_works(exact: StableDiffusion) -> None:
    added: list[object] = []

    class Noted(Placement):
        def add(self, group: object) -> None:
            added.append(group)

    placed(exact, Noted(torch.device("cuda")))
    assert exact.temporal is not None
    assert [exact.temporal.network] in added


@pytest.fixture
def edited(tiny_folder: Path, folder: Path, tmp_path: Path) -> Callable[..., Path]:
    video = write_video(tmp_path / "a.mp4", colour_ramp(20, (32, 24)), fps=6)
    usual = {
        "model": str(tiny_folder),
        "device": "cpu",
        "editor": "framewise",
        "steps": 1,
        "cache": tmp_path / "cache",
    }

    def made(name: str, notes: Notes | None = None, **others: object) -> Path:
        options = EditOptions(**usual, out=tmp_path / name, **others)  # pyright: ignore
        return edit(video, ["a red car"], options, progress=notes or Notes())[0].video

    return made


def test_an_edit_is_decoded_by_it(edited: Callable[..., Path], folder: Path) -> None:
    plain, notes = edited("plain"), Notes()
    found = edited("temporal", notes, vae=str(folder), preview_every=1)
    assert "this clip is inverted already: that part is skipped" in notes.texts
    assert found.with_name("preview-001.png").is_file()
    assert len(list(read_frames(found))) == len(list(read_frames(plain))) == 20
    assert found.read_bytes() != plain.read_bytes()
    assert edited("again", vae=str(folder)).read_bytes() == found.read_bytes()


def test_a_steadied_edit_is_decoded_by_it(edited: Callable[..., Path], folder: Path) -> None:
    found = edited("steadied", vae=str(folder), steady=1.0)
    assert len(list(read_frames(found))) == 20
