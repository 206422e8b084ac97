This is no diagram.
