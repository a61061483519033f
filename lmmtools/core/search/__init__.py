"""The criterion and its derivatives, and the search for its lowest value."""
