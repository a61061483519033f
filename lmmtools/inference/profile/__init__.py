"""Profile likelihood: coordinates around a fit, the path of one parameter, its limits, and the record of all."""
