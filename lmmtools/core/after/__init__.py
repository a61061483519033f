"""What is computed at an optimum: estimates, information, leverages, deletions."""
