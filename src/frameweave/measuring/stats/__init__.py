"""Statistics of comparisons: paired differences with intervals, tests, corrections. Never imports torch."""

from frameweave.errors import require_extra

require_extra("report", "scipy")
