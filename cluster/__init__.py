"""A real one-node cluster for tests: built from Go modules, run in a namespace of its own."""
