"""Edited videos made steadier along the motion of their source, and how much steadier they are."""
