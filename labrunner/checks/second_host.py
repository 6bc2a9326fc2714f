"""A second host: an engine that runs in a container of the learner's, with its own `docker`."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labrunner.engine.engine import Engine
from labrunner.engine.events import Event
from labrunner.engine.models import Container
from labrunner.language import Sentence
from labrunner.registry.errors import Untrusted
from labrunner.text import in_order, listed
from labrunner.verdicts import CannotCheck, NotYet
from labrunner.workspaces.troubleshooting import describe_state
from labrunner.workspaces.workspace import Workspace

from .certificates import cas_in, folder_fault, is_certificate

CERTS = "/etc/docker/certs.d"
SETTINGS = "/etc/docker/daemon.json"
BOOT = 30  # seconds until its engine answers
NO_ENGINE = 100  # exit code of our own
RESTARTED = 5  # seconds from a container's creation to a start that is not its first


@dataclass(frozen=True)
class SecondHost:
    """engine: the one that its container runs on."""

    engine: Engine
    container: Container

    @classmethod
    def of(cls, workspace: Workspace) -> SecondHost:
        """Return that of a workspace, by the lab's name."""
        container = workspace.engine.container(workspace["host"])
        if not container:
            raise CannotCheck("There is no second host.", next="Start one.")
        return cls(workspace.engine, container)

    @property
    def name(self) -> str:
        return self.container.name

    def execute(self, *command: str) -> tuple[int, str]:
        """Run a command there: its exit code, and what it printed, without the blanks around."""
        code, output = self.engine.execute(self.container.id, command)
        return code, output.strip()

    def query(self, *command: str) -> tuple[int, str]:
        """As `execute`, for a command that changes nothing: its output is complete."""
        code, output = self.engine.query(self.container.id, command)
        return code, output.strip()

    def look_up(self, domain: str) -> tuple[str | None, str]:
        """Return the IP address of a name there, empty where it has none within 3 seconds; None
        where no engine answers. The second text is what was printed."""
        script = f'docker ps -q || exit {NO_ENGINE}; timeout 3 ping -c 1 -W 1 "$0"'
        code, output = self.query("sh", "-c", script, domain)
        if code == NO_ENGINE:
            return None, output
        address = re.search(r"^PING .*?\(([\d.]+)\)", output, re.MULTILINE)
        return address[1] if address else "", output

    def wait_for_engine(self) -> None:
        """Return once its engine answers; raise `CannotCheck` after `BOOT` seconds."""
        end = time.monotonic() + BOOT
        while self.execute("docker", "ps", "-q")[0]:  # cheaper than `docker version`
            if time.monotonic() > end:
                log = self.engine.logs(self.container.id, tail=1)
                todo = Sentence("Read `docker logs {container}`.", container=self.name)
                raise CannotCheck(log, next=todo)
            time.sleep(0.1)

    def events(self) -> list[Event]:
        """Return what happened there, as far as its engine remembers it."""
        now = f"{self.engine.now():.9f}"  # the clock is one; `0s` ends at a whole second
        words = ["docker", "events", "--since", "0", "--until", now, "--format", "{{json .}}"]
        lines = self.query(*words)[1].splitlines()
        return [Event.from_api(json.loads(line)) for line in lines if line.startswith("{")]

    def is_insecure(self, registry: str, address: str) -> bool:
        """Return whether its engine makes an exception for a registry, by name or by address."""
        words = ["docker", "info", "--format", "{{json .RegistryConfig}}"]
        config = json.loads(self.query(*words)[1])
        if named := (config.get("IndexConfigs") or {}).get(registry):
            return not named["Secure"]
        ranges = map(ipaddress.ip_network, config.get("InsecureRegistryCIDRs") or ())
        return any(ipaddress.ip_address(address) in each for each in ranges)

    def has_logged(self, words: str, places: Iterable[str], since: float) -> bool:
        """Return whether its engine has logged these words about one of the places since then."""
        log = self.engine.logs(self.container.id, since=since, tail=10_000)
        lines = [line for line in log.splitlines() if words in line]
        return any(place in line for place in places for line in lines)

    def read(self, path: str) -> bytes:
        """Return what is in a file there; nothing where it is missing."""
        return self.engine.read_file(self.container.id, path) or b""

    def describe_settings(self) -> Sentence:
        """Return what its `daemon.json` says, as far as it goes on a line."""
        text = " ".join(self.read(SETTINGS).decode(errors="replace").split())[:120]
        if not text:
            return Sentence("`{file}` is missing or empty", file=SETTINGS)
        return Sentence("`{file}` says `{text}`", file=SETTINGS, text=text)

    def insecure_registries(self) -> list[object]:
        """Return those that its `daemon.json` lists; none where an engine cannot read the list."""
        try:
            settings = json.loads(self.read(SETTINGS))
        except ValueError:
            return []
        listed = settings.get("insecure-registries") if isinstance(settings, dict) else None
        return listed if isinstance(listed, list) else []

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
        return sum(map(_is_reload, self.events()))

    def distrust(self, workspace: Workspace, place: str) -> NotYet | None:
        """Return why it does not trust the registry by this name or address; None where it does."""
        folder = f"{CERTS}/{place}:5000"
        todo = [
            f"`docker exec {self.name} mkdir -p {folder}`",
            f"`docker cp ca/ca.crt {self.name}:{folder}/ca.crt`",
        ]
        files = self.engine.read_files(self.container.id, CERTS)
        if fault := folder_fault(files, folder, self.name):
            reason, found, wrong = fault
            remove = f"`docker exec {self.name} rm {wrong}`" if wrong else ""
            return NotYet(reason, found=found, next=in_order(remove, *todo))
        for path in cas_in(files, folder):
            reason, why, detail = "no-certificate", "`{file}` on `{host}` is not a certificate.", ""
            if is_certificate(files[path]):
                ca = files[path].decode("ascii", errors="ignore")  # its comments may be anything
                try:
                    workspace.client(name=place, ca=ca).ping()
                    return None
                except Untrusted as error:
                    reason, detail = "other-ca", error.reason
                    why = "`{file}` on `{host}` does not verify your registry: {detail}."
            found = Sentence(why, file=path, host=self.name, detail=detail)
        return NotYet(reason, found=found, next=in_order(*todo))

    def require_trust(self, workspace: Workspace, place: str) -> None:
        """Raise `NotYet` where it does not trust the registry by this name or address."""
        if distrust := self.distrust(workspace, place):
            raise distrust

    def require_pull(self, workspace: Workspace, registry: Container, place: str) -> list[Event]:
        """Return its events, where it trusts the registry by this name or address, and has pulled
        by it since the registry was started; raise `NotYet` otherwise."""
        events = self.events()
        if self._trusts_without(events, place, registry):
            return events
        self.require_trust(workspace, place)
        if pulled_from(events, place, since=registry.started):
            return events
        pull = f"`docker exec {self.name} docker pull {place}:5000/{workspace.image}`"
        todo = in_order(pull)
        self.require_memory(events, place, todo)
        reason = "not-pulled"
        found = Sentence(
            "It trusts your CA, but has not pulled from `{place}:5000` yet.", place=place
        )
        pulls = workspace.events(type="image", event="pull")
        own = [each for each in pulls if each.id.startswith(workspace.registry)]
        if any(each.time > registry.started for each in own):
            reason = "own-pull"
            found = Sentence(
                "You have pulled from `{registry}` on your own engine, which does not prove "
                "anything: an engine trusts its own machine without a certificate."
            )
        raise NotYet(reason, found=found, next=todo)

    def require_memory(self, events: Sequence[Event], place: str, todo: str) -> None:
        """Raise `CannotCheck` where its engine forgot a pull by this name or address: its container
        was restarted. todo: how to pull once more."""
        first_start = self.container.started - self.container.created < RESTARTED
        if first_start or pulled_from(events, place, since=0):
            return
        if f"{place}:5000/" in self.query("docker", "images", "--format", "{{.Repository}}")[1]:
            found = "`{host}` was restarted, and its engine forgot what it pulled before."
            again = Sentence("Do it again: {again}", again=Sentence.of(todo))
            raise CannotCheck(Sentence(found, host=self.name), next=again, reason="forgotten")

    def _trusts_without(self, events: Sequence[Event], place: str, registry: Container) -> bool:
        """Return whether it trusts the registry though it has no CA for this name or address: a
        pull succeeded without an exception from TLS, as with the CA in the system's own store."""
        if self.engine.read_files(self.container.id, CERTS):
            return False
        changes = [each.time for each in events if _is_reload(each)]
        address = next(iter(registry.addresses.values()), "")
        pulled = pulled_from(events, place, since=max([registry.started, *changes]))
        return pulled and not self.is_insecure(f"{place}:5000", address)


def pulled_from(events: Iterable[Event], place: str, since: float) -> bool:
    """Return whether a pull by this name or address is among the events after that moment."""
    pulls = [each for each in events if (each.kind, each.action) == ("image", "pull")]
    return any(each.time > since and each.id.startswith(f"{place}:5000/") for each in pulls)


def _is_reload(event: Event) -> bool:
    return (event.kind, event.action) == ("daemon", "reload")


def require_second_host(
    workspace: Workspace, registry: Container, domain: str, *, start: str, again: str
) -> tuple[SecondHost, str]:
    """Return the second host of the workspace, and the IP address that the registry's domain has
    there; raise `NotYet` where it is missing, or cannot reach the registry.

    start, again: the commands that start the second host, and the registry once more.
    """
    container = _candidate(workspace, registry)
    if not container:
        raise NotYet("no-host", found="There is no container `{host}`.", next=in_order(start))
    second, name = SecondHost(workspace.engine, container), container.name
    if not container.running:
        state = describe_state(workspace.engine, container, start)
        if state.reason not in ("exited", "restarting"):
            raise NotYet(state.reason, found=state.found, next=state.next)
        if state.reason == "exited" and container.exit_code != 1:  # it was stopped or killed
            restart = (
                "`docker start {container}`. It keeps what it has. If it exits again, `docker logs "
                "{container}` says why."
            )
            raise NotYet("exited", found=state.found, next=restart, container=name)
        raise NotYet(
            "not-running",
            found=Sentence.joined(
                state.found, "An engine needs powers that other containers do not have."
            ),
            next=Sentence(
                "`docker logs {container}` says why. `docker rm -fv {container}`, then {start}.",
                container=name,
                start=Sentence.of(start),
            ),
        )
    at, printed = second.look_up(domain)
    if at is None:
        raise NotYet(
            "no-engine",
            found=Sentence(
                "No engine answers in `{container}`: {error}",
                container=name,
                error=(printed or "?").splitlines()[-1],
            ),
            next=Sentence(
                "Wait a moment. If that does not help, read `docker logs {container}`.",
                container=name,
            ),
        )
    if at and at in registry.addresses.values():
        return second, at
    shared = set(container.addresses) & set(registry.addresses)
    if at:
        reason = "other-address"
        found = Sentence(
            "On `{host}`, `{domain}` is `{at}`, which is not your registry.",
            host=name,
            domain=domain,
            at=at,
        )
    elif shared:
        reason = "no-alias"
        found = Sentence(
            "`{host}` and `{container}` share the network `{network}`, but nothing there is called "
            "`{domain}`.",
            host=name,
            container=registry.name,
            network=min(shared),
            domain=domain,
        )
    else:
        reason = "no-network"
        found = Sentence(
            "`{host}` does not know `{domain}`. It is on the network {theirs}; `{container}` is on "
            "{networks}.",
            host=name,
            domain=domain,
            theirs=listed(container.addresses) or Sentence("none"),
            container=registry.name,
            networks=listed(registry.addresses),
        )
    home = next((each for each in registry.addresses if each != "bridge"), None)
    if home and not shared:
        todo = in_order(f"`docker network connect {home} {name}`")
    else:
        todo = in_order(f"`docker rm -f {registry.name}`", again)
    raise NotYet(reason, found=found, next=todo)


def _candidate(workspace: Workspace, registry: Container) -> Container | None:
    """Return the container by the lab's name; else a new one beside the registry in its network."""
    engine, networks = workspace.engine, set(registry.addresses) - {"bridge"}
    if found := engine.container(workspace["host"]):
        return found
    for each in engine.containers(status="running"):
        if each.id != registry.id and each.id not in workspace.record.before["containers"]:
            found = engine.container(each.id)
            if found and networks & set(found.addresses):
                return found
    return None
