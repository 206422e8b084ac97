"""Finding, installing and starting Julia, and the islands that run in it.

Nothing here is imported before Julia is wanted, and importing these modules starts nothing: `find` looks, `install`
fetches, `start` starts.
"""
