"""The error decoder."""
