"""Edits in, tables and pages out."""
