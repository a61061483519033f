"""Marginal means, contrasts of them, and the model as the package ``marginaleffects`` takes it."""
