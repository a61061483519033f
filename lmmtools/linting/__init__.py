"""Findings on MixedLM calls, models and results: what they really fit, and which model was probably meant."""
