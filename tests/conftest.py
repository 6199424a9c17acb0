"""What the tests share: shape checks switched on, and a tiny random model built from configs."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # in what tests start, too: see `same_every_time`

from jaxtyping import install_import_hook

install_import_hook("frameweave", "checker.check")

from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402

from frameweave.adaptor.adaptor import Adaptor  # noqa: E402
from frameweave.models.loading import load  # noqa: E402
from frameweave.models.stable_diffusion import StableDiffusion  # noqa: E402
from frameweave.video.clip import Clip  # noqa: E402
from golden_cases import FOLDER  # noqa: E402
from published import save_published  # noqa: E402
from tiny import new_adaptor, save_tiny  # noqa: E402


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with random weights: every part, a few thousand parameters."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_tiny(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> StableDiffusion:
    return load(str(tiny_folder), device="cpu")


@pytest.fixture(scope="session")
def published_folder(tiny: StableDiffusion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published metrics' networks with random weights, under their usual names."""
    folder = tmp_path_factory.mktemp("weights") / "published"
    save_published(folder, tiny.tokenizer)
    return folder


@pytest.fixture(scope="session")
def golden() -> StableDiffusion:
    """The model of the recorded runs, in float64."""
    return load(str(FOLDER / "tiny_sd"), device="cpu", dtype="fp64")


@pytest.fixture(scope="session")
def adaptor(tiny: StableDiffusion) -> Adaptor:
    return new_adaptor(tiny)


@pytest.fixture
def clip() -> Clip:
    """Five noisy 32 x 32 frames."""
    return Clip.of(torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1)), fps=8)


@pytest.fixture(autouse=True)
def same_every_time() -> None:
    torch.set_num_threads(1)  # small networks; two threads wait for each other on a busy machine
    torch.manual_seed(0)
