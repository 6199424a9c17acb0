"""Frameweave: text-driven video editing with pretrained text-to-image diffusion models.

Importing this package loads nothing heavy. The public face is :mod:`frameweave.api`.
"""

__version__ = "0.1.0"
