"""Prepared data on the disk: tar files with their seals and indexes."""
