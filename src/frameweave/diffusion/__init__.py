"""The mathematics of diffusion: schedules, DDIM, guidance, inversion. Knows tensors and callables only."""
