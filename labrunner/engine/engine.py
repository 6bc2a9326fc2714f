"""The Docker Engine: what it is asked, and what it is told to do.

A query about something that does not exist returns None or an empty list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker.types import IPAMConfig, IPAMPool

from .answers import rows, text
from .connection import translate_errors
from .containers import Containers
from .events import Events
from .images import Images
from .models import Network
from .volumes import Volumes


class Engine(Containers, Images, Volumes, Events):
    """The Docker Engine."""

    @translate_errors
    def networks(self, **filters: Any) -> list[Network]:
        return [Network.from_api(row) for row in rows(self._client.networks(filters=filters))]

    @translate_errors
    def create_network(
        self, name: str, labels: Mapping[str, str], subnet: str | None = None
    ) -> str:
        """Create a network and return its full id. subnet: as in `docker network create`."""
        ipam = IPAMConfig(pool_configs=[IPAMPool(subnet)]) if subnet else None
        created = self._patient_client.create_network(name, labels=dict(labels), ipam=ipam)
        return text(created["Id"])

    @translate_errors
    def remove_network(self, network: str) -> None:
        self._remove(self._patient_client.remove_network, network)
