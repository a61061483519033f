"""What the data make of a model formula."""
