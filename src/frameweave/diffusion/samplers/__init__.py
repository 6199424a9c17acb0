"""Samplers: one file for each family, each sampler a short function that does one step."""
