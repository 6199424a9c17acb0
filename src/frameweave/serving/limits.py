"""How often something may be asked for."""

import time
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Limiter:
    """So many calls at once, and so many more a minute, for each caller."""

    burst: float
    per_minute: float
    _left: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    _lock: Lock = field(default_factory=Lock)

    def allows(self, caller: str) -> bool:
        """Counts a call; False when it is one too many."""
        with self._lock:
            if len(self._left) > 10_000:
                self._left.clear()
            left, now = self._now(caller)
            self._left[caller] = (max(left - 1, 0) if left >= 1 else left, now)
            return left >= 1

    def has_left(self, caller: str) -> bool:
        """Whether a call would be allowed; it is not counted."""
        with self._lock:
            return self._now(caller)[0] >= 1

    def _now(self, caller: str) -> tuple[float, float]:
        """How many calls are left, and the time."""
        now = time.monotonic()
        left, then = self._left.get(caller, (self.burst, now))
        return min(self.burst, left + (now - then) * self.per_minute / 60), now
