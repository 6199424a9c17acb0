"""The web app: edits by mouse, and a queue that outlives tabs and restarts. Start reading in `desk`."""
