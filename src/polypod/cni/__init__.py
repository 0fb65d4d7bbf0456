"""The CNI specification as types: environment and stdin in, result bytes out.

Versions 0.1.0 to 1.1.0.
"""
