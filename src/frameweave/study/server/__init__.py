"""The web site that shows a study to its raters."""

from frameweave.errors import require_extra

require_extra("study", "fastapi", "multipart", "sqlalchemy", "uvicorn")
