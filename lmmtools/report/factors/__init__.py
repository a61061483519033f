"""What the data show of the factors of a study, as text, HTML, JSON and pictures."""
