"""The doors in memory, for our tests and for plugin authors."""
