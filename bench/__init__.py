"""Measures Polypod beside a C program and the reference plugins: ratios from one run."""
