"""The settings that a registry runs with: its environment comes before its configuration file.

https://distribution.github.io/distribution/about/configuration/
"""

from __future__ import annotations

from collections.abc import Mapping

STORAGE = "/var/lib/registry"  # where the image `registry` keeps its files
TRUE = {"true", "yes", "on", "y"}


class Configuration:
    """environment: that of the registry's container. file: the text of its configuration file."""

    def __init__(self, environment: Mapping[str, str], file: str = "") -> None:
        # REGISTRY_A_B is the setting `b` below `a`, and comes before REGISTRY_A, which has both.
        variables = sorted(environment.items(), reverse=True)
        self._sources = [
            (name.lower().split("_")[1:], _parse(value))
            for name, value in variables
            if name.startswith("REGISTRY_")
        ]
        self._sources.append(([], _parse(file)))

    @property
    def root(self) -> str:
        """The folder in its container that it keeps its files in."""
        return self._find("storage", "filesystem", "rootdirectory") or STORAGE

    @property
    def read_only(self) -> bool:
        """Whether it takes neither pushes nor deletions."""
        return self._find("storage", "maintenance", "readonly", "enabled").lower() in TRUE

    @property
    def password_file(self) -> str:
        """The path of its password file in its container; empty where it has none."""
        return self._find("auth", "htpasswd", "path")

    @property
    def is_cache(self) -> bool:
        """Whether it is a cache of another registry, which takes no pushes."""
        return bool(self._find("proxy", "remoteurl"))

    def _find(self, *path: str) -> str:
        """Return a setting as it is written, and an empty text where it is not set."""
        for prefix, value in self._sources:
            if list(path[: len(prefix)]) != prefix:
                continue
            for key in path[len(prefix) :]:
                value = value.get(key) if isinstance(value, dict) else None
            if isinstance(value, str):
                return value
        return ""


def _parse(text: str) -> object:
    """Return what YAML text says, with all scalars as text; None where it is not YAML."""
    import yaml  # long to import, and only some checks need it

    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes only text
    except (yaml.YAMLError, RecursionError):
        return None
