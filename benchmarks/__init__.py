"""Benchmarks: lmmtools beside lme4, statsmodels and the packages of PyPI. Run with ``python -m benchmarks``."""
