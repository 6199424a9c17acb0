"""What the tests share: shape checks switched on, and a tiny random model built from configs.

Fixtures import what they need: the process that only hands tests out goes without torch.
"""

from __future__ import annotations

import gc
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # in what tests start, too: see `same_every_time`

from jaxtyping import install_import_hook

import checker  # before the hook: it makes jaxtyping cheaper

install_import_hook("frameweave", "checker.check")

from typing import TYPE_CHECKING  # noqa: E402

import pytest  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from frameweave.adaptor.adaptor import Adaptor
    from frameweave.models.stable_diffusion import StableDiffusion
    from frameweave.video.clip import Clip


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage among what tests make, not among the modules that they import, again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    checker.begin_test()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with random weights: every part, a few thousand parameters."""
    from tiny import save_tiny

    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_tiny(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> StableDiffusion:
    from frameweave.models.loading.load import load

    return load(str(tiny_folder), device="cpu")


@pytest.fixture(scope="session")
def tiny_xl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of SDXL's kind: two text towers, pooled text, sizes."""
    from tiny_xl import save_tiny_xl

    folder = tmp_path_factory.mktemp("models") / "tiny_xl"
    save_tiny_xl(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_xl(tiny_xl_folder: Path) -> StableDiffusion:
    from frameweave.models.loading.load import load

    return load(str(tiny_xl_folder), device="cpu")


@pytest.fixture(scope="session")
def published_folder(tiny: StableDiffusion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published metrics' networks with random weights, under their usual names."""
    from published import save_published

    folder = tmp_path_factory.mktemp("weights") / "published"
    save_published(folder, tiny.tokenizer)
    return folder


@pytest.fixture(scope="session")
def golden() -> StableDiffusion:
    """The model of the recorded runs, in float64."""
    from frameweave.models.loading.load import load
    from golden_cases import FOLDER

    return load(str(FOLDER / "tiny_sd"), device="cpu", dtype="fp64")


@pytest.fixture(scope="session")
def adaptor(tiny: StableDiffusion) -> Adaptor:
    from tiny import new_adaptor

    return new_adaptor(tiny)


@pytest.fixture
def clip() -> Clip:
    """Five noisy 32 x 32 frames."""
    import torch

    from frameweave.video.clip import Clip

    return Clip.of(torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1)), fps=8)


@pytest.fixture(autouse=True)
def same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)  # what is written outlives any kill without it
    import torch

    torch.set_num_threads(1)  # small networks; two threads wait for each other on a busy machine
    torch.manual_seed(0)
