"""Places the shim and its links atomically."""
