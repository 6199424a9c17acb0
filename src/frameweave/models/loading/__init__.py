"""From files to networks: where a model lies, what it needs, every tensor in its place."""
