"""Linting MixedLM models: what a call, a model or a result really is, and what its author probably meant."""
