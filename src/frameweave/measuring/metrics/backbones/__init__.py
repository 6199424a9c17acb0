"""The published metrics' networks, with weights that the user has."""
