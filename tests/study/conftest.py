"""One small study for all tests that only read it."""

from pathlib import Path

import pytest

from studies import small_study


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_study(tmp_path_factory.mktemp("study"))
