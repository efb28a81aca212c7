"""Finding, reading and refusing files of weights."""
