"""What the host is, seen from this pack."""
