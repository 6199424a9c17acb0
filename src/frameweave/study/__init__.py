"""The user study: a blinded pairwise comparison of edited videos, in a browser."""
