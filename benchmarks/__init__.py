"""The programs that make the numbers of README and docs/."""
