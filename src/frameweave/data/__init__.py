"""From videos with captions to shards of adjacent-frame groups, and back to training."""
