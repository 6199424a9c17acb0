"""Hub ids without a network: told in seconds, or taken from what is here."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from frameweave.errors import ModelFolderError
from frameweave.models import depth
from frameweave.models.loading import hub
from frameweave.models.loading.load import load

NAME = "owner/model"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The hub's cache, empty."""
    monkeypatch.setattr(hub, "reachable", lambda: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub.snapshot_download, "__kwdefaults__", _with(cache_dir=str(tmp_path / "cache")))
    return tmp_path / "cache"


def _with(**changed: str) -> dict[str, object]:
    return {**(hub.snapshot_download.__kwdefaults__ or {}), **changed}


def _cached(cache: Path, folder: Path) -> Path:
    """A repository in the cache, as the hub's client lays it out."""
    repository = cache / "models--owner--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123456789")
    return Path(shutil.copytree(folder, repository / "snapshots" / "0123456789"))


def test_what_is_not_here_is_told_at_once() -> None:
    with pytest.raises(
        ModelFolderError, match=f"model {NAME}: not on this machine, and the hub .*hf download"
    ):
        load(NAME)
    with pytest.raises(ModelFolderError, match=f"model {NAME}: not on this machine"):
        depth.load("miniature", NAME)
    with pytest.raises(ModelFolderError, match=f"model {NAME}: not on this machine"):
        load(controlnet=NAME)


def test_what_is_here_is_taken(no_network: Path, tiny_folder: Path) -> None:
    _cached(no_network, tiny_folder)
    assert load(NAME, device="cpu").native == load(str(tiny_folder), device="cpu").native


def test_only_part_of_a_repository_is_here(no_network: Path, tiny_folder: Path) -> None:
    shutil.rmtree(_cached(no_network, tiny_folder) / "vae")
    with pytest.raises(ModelFolderError, match="models--owner--model.*: no vae folder in it"):
        load(NAME)


def test_only_pickles_are_here(no_network: Path, tiny_folder: Path) -> None:
    folder = _cached(no_network, tiny_folder / "depth_estimator")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        ModelFolderError, match="pytorch_model.bin: a pickle.*take a model that has safetensors"
    ):
        depth.load("miniature", NAME)


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Session:
        def head(self, url: str, timeout: float) -> None:
            asked.append(url)
            assert timeout <= 5
            raise TimeoutError

    monkeypatch.undo()
    monkeypatch.setattr(hub, "get_session", Session)
    hub.reachable.cache_clear()
    try:
        assert not hub.reachable() and not hub.reachable()
        assert len(asked) == 1
    finally:
        hub.reachable.cache_clear()
