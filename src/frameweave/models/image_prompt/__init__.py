"""Prompts that are pictures: IP-Adapters, whose tokens are attended to beside the text."""
