"""What a model is made of, each kind a module: the covariance of a term's effects, and that of the residuals."""
