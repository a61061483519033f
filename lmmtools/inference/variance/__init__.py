"""Parts of the variance of the response: shares of the terms, intraclass correlation, R2, design effect."""
