"""Measurements of models, samplers and the page, for the README; run from the command line."""
