"""Verbs for people: parse flags, call one function, print."""
