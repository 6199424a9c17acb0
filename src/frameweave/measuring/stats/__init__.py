"""Statistics of comparisons: paired differences with intervals, tests, corrections. Never imports torch."""
