"""The CNI verbs, each on one page, speaking to the doors only through Protocols."""
