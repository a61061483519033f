"""Power by simulation: true parameters, tests of data simulated from them, and the table of results."""
