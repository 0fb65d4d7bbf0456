"""The vocabulary of effects: facts that can be asked, ops that can be done, how each is undone."""
