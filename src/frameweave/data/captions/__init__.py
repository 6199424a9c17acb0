"""From what is said of a clip to what it shall become: captions rewritten as edit prompts."""
