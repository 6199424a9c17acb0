"""How a model runs: what it takes, where its parts lie, and by which kernels it works."""
