"""A video in, an edited video out."""
