"""The long-lived process: socket, queues, limits, metrics, and where the engine meets real doors."""
