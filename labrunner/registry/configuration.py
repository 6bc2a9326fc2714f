"""The settings that a registry runs with: its environment comes before its configuration file.

https://distribution.github.io/distribution/about/configuration/
"""

from __future__ import annotations

import re
from collections.abc import Mapping

STORAGE = "/var/lib/registry"  # where the image `registry` keeps its files
COMMENT = re.compile(r"(?:^|\s)#.*")
ROOT = re.compile(r"\brootdirectory\b[\"']?\s*:\s*[\"']?(?P<path>/[^\s\"',}]*)")
READ_ONLY = re.compile(r"\breadonly\W+enabled\W+(?P<value>true|false)\b")
CACHE = re.compile(r"\bproxy\W+remoteurl\W+\w")


class Configuration:
    """environment: that of the registry's container. file: the text of its configuration file."""

    def __init__(self, environment: Mapping[str, str], file: str = "") -> None:
        # REGISTRY_A_B is the setting `b` below `a`, and comes before REGISTRY_A, which has both.
        settings = sorted(environment.items(), reverse=True)
        lines = [
            f"{name.lower().replace('_', ' ')}: {value}"
            for name, value in settings
            if name.startswith("REGISTRY_")
        ]
        self._text = "\n".join([*lines, *(COMMENT.sub("", line) for line in file.splitlines())])

    @property
    def root(self) -> str:
        """The folder in its container that it keeps its files in."""
        found = ROOT.search(self._text)
        return found["path"] if found else STORAGE

    @property
    def read_only(self) -> bool:
        """Whether it takes neither pushes nor deletions."""
        found = READ_ONLY.search(self._text)
        return found is not None and found["value"] == "true"

    @property
    def is_cache(self) -> bool:
        """Whether it is a cache of another registry, which takes no pushes."""
        return CACHE.search(self._text) is not None
