"""What a model declares."""
