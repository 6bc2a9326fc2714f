"""What is in a registry, and what clients asked of it."""
