"""The long-lived process: socket, queues, limits, metrics; here the engine meets real doors."""
