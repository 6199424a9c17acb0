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
        now = time.monotonic()
        with self._lock:
            if len(self._left) > 10_000:
                self._left.clear()
            left, then = self._left.get(caller, (self.burst, now))
            left = min(self.burst, left + (now - then) * self.per_minute / 60)
            self._left[caller] = (max(left - 1, 0) if left >= 1 else left, now)
            return left >= 1
