"""The command `diagram-bridge`. Only what a command needs is imported, so that `check` and `show` start quickly."""
