"""V^-1 at one value of the covariance parameters: the chain of nested factors, and the rest."""
