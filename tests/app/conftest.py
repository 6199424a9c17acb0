"""A desk, and a video for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from desks import app_options, tiny_edit
from frameweave.app.desk import Desk
from frameweave.app.options import AppOptions
from frameweave.editing.options import EditOptions
from videos import colour_ramp, write_video


@pytest.fixture
def options(tmp_path: Path) -> AppOptions:
    return app_options(tmp_path)


@pytest.fixture
def desk(options: AppOptions) -> Iterator[Desk]:
    with Desk(options) as made:
        yield made


@pytest.fixture
def settings(tiny_folder: Path) -> EditOptions:
    return tiny_edit(tiny_folder)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a clip.mp4", colour_ramp(2, (32, 32)), fps=8, sound=0.25)
