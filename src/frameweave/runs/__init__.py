"""Run folders, settings, atomic files, engines."""
