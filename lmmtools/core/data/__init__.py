"""A design made ready: its cross-products, in coordinates in which units do not matter."""
