"""One search, from a node's inputs to its result."""
