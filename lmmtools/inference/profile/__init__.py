"""Profile likelihood: coordinates around a fit, the path of one parameter, and the record of all."""
