"""A keeper of steps that stops a run in the middle of its steps."""

import torch
from torch import Tensor


class Stopping:
    """Keeps what every step hands over, and stops the first run after `last` of them."""

    def __init__(self, last: int) -> None:
        self.last, self.done, self.x, self.state = last, 0, torch.empty(0), torch.empty(0)

    def earlier(self, rng: torch.Generator) -> tuple[int, Tensor] | None:
        if not self.done:
            return None
        rng.set_state(self.state)
        return self.done, self.x

    def after(self, done: int, x: Tensor, expected: Tensor, rng: torch.Generator) -> None:
        self.done, self.x, self.state = done, x, rng.get_state()
        if done == self.last:
            raise KeyboardInterrupt
