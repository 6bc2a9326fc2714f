"""What keeps a registry's answer from being read. None of it counts against the learner."""

from __future__ import annotations

from labrunner.verdicts import CannotCheck


class RegistryDown(CannotCheck):
    """Nothing answers at the registry's address."""


class RegistrySlow(RegistryDown):
    """What answers there takes too long."""


class NotARegistry(CannotCheck):
    """Something answers, but not as a registry does."""


class OtherScheme(CannotCheck):
    """The server speaks TLS and was asked over plain HTTP, or the other way round."""


class Untrusted(CannotCheck):
    """The registry's certificate is not valid; `reason` is what OpenSSL says."""


class BudgetSpent(CannotCheck):
    """A look at the registry takes more than its budget, or has no end."""


class RegistryRefused(CannotCheck):
    """The registry answered with an error; `status` is the HTTP status."""

    def __init__(self, found: str, *, next: str, status: int) -> None:
        super().__init__(found, next=next)
        self.status = status
