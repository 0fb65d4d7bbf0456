"""The only room that writes to the node's disk: journal, leases, backups."""
