"""A shell on a pseudo-terminal."""
