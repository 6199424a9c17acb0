"""Training of adaptors, and the one loop that everything here is trained by."""
