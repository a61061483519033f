"""Marginal means, contrasts of them, and the adapter to the package ``marginaleffects``."""
