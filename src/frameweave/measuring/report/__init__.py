"""Pages drawn from run folders. Nothing here imports torch."""

from frameweave.errors import require_extra

require_extra("report", "jinja2", "matplotlib")
