"""The jobs behind the commands: each takes its settings and returns values; none prints."""
