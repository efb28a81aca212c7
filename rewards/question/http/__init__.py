"""The same question asked of a server."""
