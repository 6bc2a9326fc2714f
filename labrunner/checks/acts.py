"""Acts of solutions, mistakes and setups: each is declared as what is done, with the names that it
has on the page, and is done when it is called with a workspace."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from labrunner.course.author_functions import Action
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.registry_storage import configuration_path
from labrunner.workspaces.workspace import Workspace

from .certificates import TLS_SETTINGS, issue_certificate
from .images import names_of_sample


def act(function: Callable[..., Any]) -> Callable[..., Action]:
    """Decorate a function of a workspace and more. Called with the rest, it returns an act; in the
    texts that it is called with, the workspace's `{values}` are filled in."""

    @wraps(function)
    def declare(*arguments: Any, **options: Any) -> Action:
        def do(workspace: Workspace) -> Any:
            def fill(given: Any) -> Any:
                return workspace.fill(given) if isinstance(given, str) else given

            named = {name: fill(each) for name, each in options.items()}
            return function(workspace, *map(fill, arguments), **named)

        return do

    return declare


@act
def tag_as(workspace: Workspace, name: str, image: str = "") -> None:
    """Give an image a name. image: the sample image, unless it is given."""
    workspace.tag(image or workspace.sample, name)


@act
def push_as(workspace: Workspace, name: str, image: str = "") -> None:
    """Give an image a name, and push it under that. image: as in `tag_as`."""
    workspace.push_as(image or workspace.sample, name)


@act
def build_another(workspace: Workspace, image: str, ballast: int) -> None:
    """Build the sample once more, as another image with so many random bytes of its own; one that
    is there already stays."""
    if not workspace.engine.image(f"{image}:latest"):
        own = {"workspace": f"{workspace.id}-{image}"}
        workspace.build(workspace.lab.folder, image, ballast=ballast, **own)


@act
def pull(workspace: Workspace, name: str) -> None:
    workspace.pull(name)


@act
def untag(workspace: Workspace, name: str) -> None:
    """Take a name from an image, and remove the image with its last one."""
    workspace.engine.remove_image(name)


def remove_sample(workspace: Workspace) -> None:
    """Remove the sample image from the engine, with all of its names."""
    for name in names_of_sample(workspace):
        workspace.engine.remove_image(name)


@act
def run(workspace: Workspace, image: str) -> None:
    """Run an image to its end, as `docker run --rm` does."""
    workspace.run_to_end(image)


@act
def push_with_login(workspace: Workspace, name: str, image: str = "") -> None:
    """Give an image a name, and push it with the lab's user and password. image: as in `tag_as`."""
    workspace.push_as(image or workspace.sample, name, workspace.login)


@act
def refused(workspace: Workspace, way: str, name: str, password: str = "") -> str:
    """Push or pull what the registry refuses; return the engine's error. way: `push` or `pull`.
    password: of the lab's user; without one, there is no login."""
    login = (workspace["user"], password) if password else None
    try:
        getattr(workspace, way)(name, login)
    except CannotCheck as error:
        return error.found
    raise AssertionError("The registry let it in.")


@act
def fail_to_run_registry(workspace: Workspace, image: str = "", **options: Any) -> None:
    """Run a registry whose settings end it, and wait for its end. image: as in
    `Workspace.run_registry`."""
    options = {"name": workspace.name, "ports": {5000: workspace.port}, **options}
    workspace.remove_own(workspace.name, workspace.port)
    workspace.engine.wait(workspace.run(image or workspace.registry_image, **options))


@act
def run_registry(workspace: Workspace, **options: Any) -> None:
    """Run the registry anew; see `Workspace.run_registry`."""
    workspace.run_registry(**options)


@act
def issue(workspace: Workspace, *names: str, days: int = 30) -> None:
    """Issue a certificate for these names; see `issue_certificate`."""
    issue_certificate(workspace.work, *names, days=days)


@act
def run_in_network(workspace: Workspace, *, tls: bool = False, aliases: Sequence[str] = ()) -> None:
    """Run the registry anew at the lab's `address` in its `network`, which is created where it is
    missing, with its images in the lab's `volume`. tls: with the certificate that was issued last.
    """
    network = workspace["network"]
    if network not in [each.name for each in workspace.engine.networks()]:
        workspace.create_network(network, workspace["subnet"])
    options: dict[str, Any] = {
        "network": network,
        "address": workspace["address"],
        "aliases": aliases,
    }
    volumes = {"/var/lib/registry": workspace["volume"]}
    if tls:
        volumes["/certs:ro"] = str(workspace.work / "certs")
        options["environment"] = TLS_SETTINGS
    workspace.run_registry(volumes=volumes, **options)


def restart_registry(workspace: Workspace) -> None:
    """Restart the registry's container, and wait until it answers."""
    if container := workspace.registry_container():
        workspace.engine.restart(container.id)
        workspace.wait_for_registry()


def wait_until(condition: Callable[[], object]) -> None:
    """Return once the condition is true; raise `AssertionError` after 10 seconds."""
    end = time.monotonic() + 10
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("It does not come true.")
        time.sleep(0.05)


def collect(workspace: Workspace, **host: Any) -> None:
    """Collect the garbage of the registry in a container of its own. host: which volumes that has,
    as in `Engine.create_container`; by default a new one."""
    if container := workspace.engine.container(workspace.name):
        words = ["garbage-collect", configuration_path(container)]
        workspace.run_to_end(container.image, words, **host)


def collect_running(workspace: Workspace) -> None:
    """Collect the garbage of the registry in its own container, as `docker exec` does."""
    if container := workspace.registry_container():
        words = ["registry", "garbage-collect", configuration_path(container)]
        workspace.engine.execute(container.id, words)


def stop_collect_start(workspace: Workspace) -> None:
    """Collect the garbage of the registry while it is stopped."""
    if container := workspace.registry_container():
        workspace.engine.stop(container.id)
        collect(workspace, volumes_from=[container.id])
        workspace.engine.start(container.id)
        workspace.wait_for_registry()
