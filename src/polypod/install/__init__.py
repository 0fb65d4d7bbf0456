"""Renders manifests for each platform, and places the shim and its links atomically."""
