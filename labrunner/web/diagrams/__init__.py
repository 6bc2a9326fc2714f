"""Pictures of references and registries."""
