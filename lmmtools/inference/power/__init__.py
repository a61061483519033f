"""Power by simulation: what is taken for true, the tests of simulated data, and the record of them."""
