"""Training of the bundled models and of the readers: one loop, and a recipe for each network."""
