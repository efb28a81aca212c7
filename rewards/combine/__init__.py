"""Several rewards as one."""
