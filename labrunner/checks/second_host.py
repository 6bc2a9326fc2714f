"""A second host: an engine that runs in a container of the learner's, with its own `docker`."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from dataclasses import dataclass

from labrunner.engine.engine import Engine
from labrunner.engine.models import Container, Event
from labrunner.verdicts import CannotCheck

SETTINGS = "/etc/docker/daemon.json"
BOOT = 30  # seconds until its engine answers
NO_ENGINE = 100  # exit code of our own


@dataclass(frozen=True)
class SecondHost:
    """engine: the one that its container runs on."""

    engine: Engine
    container: Container

    @property
    def name(self) -> str:
        return self.container.name

    def execute(self, *command: str) -> tuple[int, str]:
        """Run a command there: its exit code, and what it printed, without the blanks around."""
        code, output = self.engine.execute(self.container.id, command)
        return code, output.strip()

    def look_up(self, domain: str) -> tuple[str | None, str]:
        """Return the IP address of a name there, empty where it has none; None where no engine
        answers. The second text is what was printed."""
        script = f'docker version || exit {NO_ENGINE}; ping -c 1 -W 1 "$0"'
        code, output = self.execute("sh", "-c", script, domain)
        if code == NO_ENGINE:
            return None, output
        address = re.search(r"^PING .*?\(([\d.]+)\)", output, re.MULTILINE)
        return address[1] if address else "", output

    def wait_for_engine(self) -> None:
        """Return once its engine answers; raise `CannotCheck` after `BOOT` seconds."""
        end = time.monotonic() + BOOT
        while self.execute("docker", "version")[0]:
            if time.monotonic() > end:
                log = self.engine.logs(self.container.id, tail=1)
                raise CannotCheck(log, next=f"Read `docker logs {self.name}`.")
            time.sleep(0.1)

    def events(self) -> list[Event]:
        """Return what happened there, as far as its engine remembers it."""
        now = f"{self.engine.info().time:.9f}"  # the clock is one; `0s` ends at a whole second
        words = ["docker", "events", "--since", "0", "--until", now, "--format", "{{json .}}"]
        lines = self.execute(*words)[1].splitlines()
        return [Event.read(json.loads(line)) for line in lines if line.startswith("{")]

    def is_insecure(self, registry: str, address: str) -> bool:
        """Return whether its engine makes an exception for a registry, by name or by address."""
        words = ["docker", "info", "--format", "{{json .RegistryConfig}}"]
        config = json.loads(self.execute(*words)[1])
        if named := (config.get("IndexConfigs") or {}).get(registry):
            return not named["Secure"]
        ranges = map(ipaddress.ip_network, config.get("InsecureRegistryCIDRs") or ())
        return any(ipaddress.ip_address(address) in each for each in ranges)

    def read(self, path: str) -> bytes:
        """Return what is in a file there; nothing where it is missing."""
        return self.engine.read_file(self.container.id, path) or b""

    def settings(self) -> str:
        """Return its `daemon.json`, as far as it goes on a line."""
        text = self.read(SETTINGS).decode(errors="replace")
        return " ".join(text.split())[:120] or "nothing"

    def configure(self, settings: dict[str, object], *, reload: bool = True) -> None:
        """Write its `daemon.json`, and have its engine read it."""
        data = json.dumps(settings).encode()
        self.engine.write_file(self.container.id, SETTINGS, data)
        if reload:
            before, end = self._reloads(), time.monotonic() + BOOT
            self.engine.kill(self.container.id, "SIGHUP")
            while self._reloads() == before and time.monotonic() < end:
                time.sleep(0.05)

    def _reloads(self) -> int:
        return sum((each.kind, each.action) == ("daemon", "reload") for each in self.events())
