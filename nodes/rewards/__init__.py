"""The nodes that make a reward."""
