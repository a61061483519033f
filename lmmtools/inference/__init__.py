"""What is inferred from a fit: degrees of freedom, tests of contrasts and of terms."""
