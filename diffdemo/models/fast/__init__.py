"""A faster forward pass for the networks of pixel and latent models on a CPU."""
