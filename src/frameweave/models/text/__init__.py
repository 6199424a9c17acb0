"""From prompts to what a model reads."""
