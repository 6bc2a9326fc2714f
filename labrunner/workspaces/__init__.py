"""Workspaces: what one run of a lab works with."""
