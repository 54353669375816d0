"""The mathematics of diffusion on tensors: noise, sampling, inversion and exact posteriors."""
