"""Workers: other processes and machines that evaluate the particles of a search."""
