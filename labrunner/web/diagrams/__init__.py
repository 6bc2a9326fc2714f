"""Diagrams of references and registries."""
