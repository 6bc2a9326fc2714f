"""Registries: the HTTP client, references, and the access log."""
