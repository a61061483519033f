"""Inference from a fit: tests, intervals, predictions, simulation, diagnostics, parts of the variance."""
