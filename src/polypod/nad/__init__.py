"""The Network Plumbing specification as types: annotation and NAD in, selections and status out."""
