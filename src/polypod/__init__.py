"""Many-legged pods: Kubernetes pods with more than one network."""
