"""The presets of trainings, and where in the paper their settings come from."""

from frameweave.runs.again.presets import Presets
from frameweave.runs.settings import read_toml

PRESETS = Presets("frameweave.training")


def provenance() -> dict[str, str]:
    """By setting of `frameweave train`: where in the paper it comes from, and what its readings are."""
    return {name: str(said) for name, said in read_toml(PRESETS.folder / "_provenance.toml").items()}
