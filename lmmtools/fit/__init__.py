"""What inference reads of a fitted model: the record of it, and what follows from the record."""
