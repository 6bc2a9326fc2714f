"""Start a second host, with the options that a container with an engine in it needs."""

from __future__ import annotations

from labrunner.verdicts import CannotCheck
from labrunner.workspaces.workspace import Workspace

from .second_host import SecondHost

WORDS = (  # for an engine that cannot give all
    "--cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined "
    "-v /sys/fs/cgroup:/sys/fs/cgroup:rw"
)
POWERS: dict[str, object] = {  # the same, where the API has it
    "cap_add": ["ALL"],
    "cap_drop": ["SYS_RESOURCE"],
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    "volumes": {"/sys/fs/cgroup": "/sys/fs/cgroup"},
}


def start_second_host(workspace: Workspace, network: str) -> None:
    """Start the second host in a network, wait for its engine; one that is there already stays."""
    there = workspace.engine.container(workspace["host"])
    if there and there.running and network in there.addresses:
        return
    workspace.remove_own(workspace["host"])
    powers = POWERS if workspace["powers"] == WORDS else {"privileged": True}
    workspace.run("docker:dind", name=workspace["host"], network=network, **powers)
    SecondHost.of(workspace).wait_for_engine()


def engine_powers(workspace: Workspace) -> str:
    """Return the options of `docker run` that give a container what an engine in it needs, as far
    as this engine can."""
    try:
        probe = workspace.run("busybox:stable", command=["true"], network="none", privileged=True)
    except CannotCheck:
        return WORDS
    workspace.engine.remove_container(probe)
    return "--privileged"
