"""Profile likelihood: coordinates around a fit, the path of each parameter, limits, and their record."""
