"""ControlNets: which ones there are, what pictures steer them, how what they say is added."""
