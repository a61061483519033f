"""Bootstraps: data sets drawn, refits collected, and intervals and tests from them."""
