"""Asks the same question of a model on a server."""
