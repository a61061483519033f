"""Bootstraps: how data sets are drawn, the work in pieces, what is collected, and intervals and tests from it."""
