"""The doors in memory, for our tests and for plugin authors.

`node.Node` is one node with every door; its `doors()` go wherever the real ones would. Each fake
passes the same tests as the door it stands for (tests/contract).
"""
