"""Pages drawn from run folders. Nothing here imports torch."""
