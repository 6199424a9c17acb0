"""Measures of edited clips. Each is a pure formula and a thin class around it; see `base`."""

from frameweave.errors import require_extra

require_extra("report", "scipy")
