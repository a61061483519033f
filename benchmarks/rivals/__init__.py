"""One file per rival; its functions take a case and the data and return what is to be timed."""
