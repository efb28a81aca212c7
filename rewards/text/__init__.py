"""Rewards of text that an image shows."""
