"""A model that stays in memory for the next one who wants the same."""

from collections.abc import Callable, Mapping

from frameweave.models.identity import inputs_of
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.load import load_chosen
from frameweave.models.stable_diffusion import StableDiffusion


class Kept:
    """Loads models and keeps the last one, as long as every file that it was made of holds the same."""

    def __init__(self, load: Callable[[ModelChoice], StableDiffusion] = load_chosen) -> None:
        self._load = load
        self._last: tuple[ModelChoice, Mapping[str, str], StableDiffusion] | None = None

    def __call__(self, choice: ModelChoice) -> StableDiffusion:
        """The model of a choice. Raises what `load_chosen` raises."""
        holds = {name: one.digest for name, one in inputs_of(choice).items()}
        if self._last is None or self._last[:2] != (choice, holds):
            self.forget()  # before the next one is loaded: two may not fit
            self._last = choice, holds, self._load(choice)
        return self._last[2]

    def forget(self) -> None:
        """Give the memory back."""
        self._last = None
