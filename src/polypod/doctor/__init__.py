"""Gathers facts, applies pure rules, returns findings."""
