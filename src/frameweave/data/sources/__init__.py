"""Readers: one file for each layout of a source, and `detect`, which tells them apart."""
