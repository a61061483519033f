"""Estimates, variances and tests of fits of imputed data sets, pooled."""
