"""Measures of edited clips. Each is a pure formula and a thin class around it; see `base`."""
