"""From a model formula and data to the response, X and the blocks of Z."""
