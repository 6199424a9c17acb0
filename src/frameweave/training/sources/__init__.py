"""Where the groups of a training come from: the world, shards, folders, or every frame of a clip."""
