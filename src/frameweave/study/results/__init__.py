"""What a study's votes say."""

from frameweave.errors import require_extra

require_extra("study", "krippendorff")
