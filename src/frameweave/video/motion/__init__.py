"""Where the content of a clip moves: optical flow, how surely it is followed, and averages along it."""
