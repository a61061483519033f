"""Where the variance of the response lies: intraclass correlation, R2, shares of the terms, design effect."""
