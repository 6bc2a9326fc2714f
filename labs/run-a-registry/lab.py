"""Run a registry of your own, look inside, and make it come back by itself when it dies."""

import json
from contextlib import suppress

from labrunner import (
    RUN,
    CannotCheck,
    Lab,
    NotARegistry,
    NotYet,
    RegistryDown,
    SecondRegistry,
    Sentence,
    describe_state,
    fail_to_run_registry,
    require_registry,
    require_started,
    restart_registry,
    run_registry,
    start_second_registry,
    wait_until,
)

lab = Lab(
    title="Run a registry",
    images=["registry:2", "busybox:stable"],
    values={"second": lambda ws: ws.unused("second-registry")},
)

BY_ITSELF = ("unless-stopped", "always")  # policies that also hold when the engine restarts
ASK = (
    "Ask `{registry}` for `_catalog`, below `/v2/`, and submit what it answers. The hint has the "
    "command."
)
UPDATE = Sentence("`docker update --restart unless-stopped {container}`")
PUBLISH = "-p {port}:5000"
START_IT = "docker start {name}"
START = Sentence("`docker start {container}`")
KILL = Sentence("`docker run --rm --pid container:{container} busybox:stable kill -QUIT 1`")


@lab.step(lasting=True, advice=PUBLISH)
def start_a_registry(workspace):
    """A registry answers on `{registry}`, and a container serves it."""
    container = require_registry(workspace)
    found = "`{registry}` is a registry; the container `{container}` serves it."
    return Sentence(found, container=container.name)


start_a_registry.solution(run_registry())
start_a_registry.mistake("created, but not started", advice=START_IT, reason="created")(
    lambda ws: ws.create(ws.registry_image, name=ws.name, ports={5000: ws.port})
)
start_a_registry.mistake("stopped again", advice=START_IT, reason="exited")(
    lambda ws: ws.engine.stop(ws.run_registry())
)
start_a_registry.mistake("settings that make it exit", advice="docker logs", reason="exited")(
    fail_to_run_registry(environment={"REGISTRY_AUTH": "htpasswd"})  # without a realm
)


@start_a_registry.mistake(
    "settings that make it exit again and again", advice="docker logs", reason="restarting"
)
def _(workspace):
    settings = {"environment": {"REGISTRY_AUTH": "htpasswd"}}
    again = {"restart_policy": {"Name": "unless-stopped"}}
    ports = {5000: workspace.port}
    image = workspace.registry_image
    workspace.run(image, name=workspace.name, ports=ports, **settings, **again)
    wait_until(lambda: workspace.registry_container().restart_count > 1)


start_a_registry.mistake("no port published", reason="unpublished")(
    lambda ws: ws.run(ws.registry_image, name=ws.name)
)
start_a_registry.mistake("published on another port", reason="unpublished")(
    lambda ws: ws.run(ws.registry_image, name=ws.name, ports={5000: None})
)
start_a_registry.mistake(
    "published to the wrong port of the container", reason="wrong-container-port"
)(lambda ws: ws.run(ws.registry_image, name=ws.name, ports={5001: ws.port}))


@start_a_registry.mistake(
    "another program on the port", advice="docker stop web-{name}", reason="wrong-service"
)
def _(workspace):
    serve = ["httpd", "-f", "-p", "5000"]
    ports = {5000: workspace.port}
    workspace.run("busybox:stable", name=f"web-{workspace.name}", command=serve, ports=ports)
    wait_until(lambda: not _is_silent(workspace))


start_a_registry.mistake(
    "the name is taken by another container", advice="--name my-registry", reason="name-taken"
)(lambda ws: ws.create("busybox:stable", name=ws.name))


@lab.step(advice="`_catalog`")
def ask_the_catalog(workspace, answer):
    """You have asked `{registry}` what it holds."""
    try:
        catalog = json.loads(answer)
    except (ValueError, RecursionError):
        found = "Your answer is not JSON, the format of a registry's answers."
        raise NotYet("not-json", found=found, next=ASK) from None
    if catalog == {}:
        found = "`{}` is what `/v2/` answers: the registry is there. It does not list repositories."
        raise NotYet("of-v2", found=found, next=ASK)
    if not isinstance(catalog, dict) or not isinstance(catalog.get("repositories"), list):
        found = "Your answer has no list of `repositories`."
        raise NotYet("no-list", found=found, next=ASK)
    workspace.api.ping()  # only a registry has a catalog
    answered, held = catalog["repositories"], workspace.api.repositories()
    if sorted(map(str, answered)) != sorted(held):
        raise NotYet(
            "another-catalog",
            expected="The catalog of `{registry}`, as it is now.",
            found="Your answer does not list the same repositories as the catalog.",
            next="It is from another registry, or from an earlier moment. Ask `{registry}` for "
            "`_catalog` again.",
        )
    found = "Your answer is the catalog of `{registry}`: `{catalog}`."
    return Sentence(found, catalog=json.dumps(catalog))


ask_the_catalog.solution(lambda ws: json.dumps({"repositories": ws.api.repositories()}))
ask_the_catalog.near_miss("the answer of /v2/ instead of the catalog's", reason="of-v2")("{}")
ask_the_catalog.near_miss("an error page", reason="not-json")(
    lambda ws: ws.api.request("GET", "../_catalog").body.decode()
)
ask_the_catalog.near_miss("the catalog of another registry", reason="another-catalog")(
    '{"repositories": ["somebody/else"]}'
)


@lab.step(lasting=True)
def set_a_restart_policy(workspace):
    """The engine restarts your registry when it dies, and when the engine itself restarts."""
    container = _container(workspace)
    policy = container.restart_policy
    found = "The restart policy of `{container}` is `{policy}`."
    if policy in BY_ITSELF:
        return Sentence(found, container=container.name, policy=policy)
    if policy == "on-failure":
        found = (
            "The restart policy of `{container}` is `{policy}`, which does not start it again when "
            "the engine restarts."
        )
    raise NotYet(
        policy,
        expected="The restart policy `unless-stopped`, or `always`.",
        found=found,
        next=f"{UPDATE}.",
        container=container.name,
        policy=policy,
    )


set_a_restart_policy.solution(
    lambda ws: ws.engine.set_restart_policy(_container(ws).id, "unless-stopped")
)
set_a_restart_policy.mistake("the policy on-failure", advice="docker update", reason="on-failure")(
    lambda ws: ws.engine.set_restart_policy(_container(ws).id, "on-failure")
)


@lab.step
def let_it_die(workspace):
    """The registry's process has died, and the engine has restarted it."""
    container = _container(workspace)
    name, policy, count = container.name, container.restart_policy, container.restart_count
    if container.running or container.state == "restarting":
        if count:
            workspace.api.ping()
            found = "`{container}` died and came back; `RestartCount` is {count}."
            return Sentence(found, container=name, count=count)
        reason = "not-died"
        found = (
            "The `RestartCount` of `{container}` is 0, and its policy is `{policy}`: its process "
            "has not died since you started it."
        )
        todo = "End it from inside: {kill}."
    elif container.state != "exited":
        state = describe_state(workspace.engine, container, RUN)
        reason, found = state.reason, state.found
        todo = Sentence.joined(state.next, "Then {kill}.")
    elif policy in BY_ITSELF:
        reason = "stopped"
        found = (
            "The container `{container}` is exited and stays that way: to the engine, `docker "
            "kill` and `docker stop` mean that you want this."
        )
        todo = "{start}, then {kill}."
    else:
        reason = "not-restarted"
        found = (
            "The container `{container}` is exited and stays that way: its restart policy is "
            "`{policy}`."
        )
        todo = "{update}, {start}, then {kill}."
    raise NotYet(
        reason,
        expected="The engine has restarted the container: its `RestartCount` is 1 or more.",
        found=found,
        next=todo,
        container=name,
        policy=policy,
        update=UPDATE,
        start=START,
        kill=KILL,
    )


@let_it_die.solution
def _(workspace):
    container = _container(workspace).id
    workspace.engine.set_restart_policy(container, "unless-stopped")
    workspace.engine.start(container)
    workspace.wait_for_registry()  # the process takes signals only when it has started
    _kill_from_inside(workspace, container)
    wait_until(lambda: _container(workspace).restart_count)
    workspace.wait_for_registry()


let_it_die.mistake("killed with docker kill", advice=START_IT, reason="stopped")(
    lambda ws: ws.engine.kill(_container(ws).id)
)


@let_it_die.mistake("no restart policy", advice="docker update", reason="not-restarted")
def _(workspace):
    container = _container(workspace).id
    workspace.engine.set_restart_policy(container, "no")
    _kill_from_inside(workspace, container)
    workspace.engine.wait(container)


let_it_die.mistake("restarted by hand", advice="kill -QUIT 1", reason="not-died")(restart_registry)


@lab.step
def run_a_second_one(workspace):
    """`{second}` is another registry, on a port that only this machine can reach. It comes back
    when the engine restarts, even if you stopped it before. The first registry is still running."""
    container = SecondRegistry.require(workspace).container
    name, policy = container.name, container.restart_policy
    if require_registry(workspace).id == container.id:
        raise NotYet(
            "one-only",
            found="`{container}` is on port {port}, which is the first registry's.",
            next="Remove it, and run it again on a port that is free. The first registry needs its "
            "own port: `docker start {name}`.",
            container=name,
        )
    addresses = {port.address for port in container.ports if port.host}
    if others := [each for each in addresses if each != "::1" and not each.startswith("127.")]:
        raise NotYet(
            "open",
            found="`{container}` is published on `{address}`: other machines can reach it.",
            next="Remove the container, and run it again with an address in front of the port.",
            container=name,
            address=others[0],
        )
    if policy != "always":
        raise NotYet(
            policy,
            found="The restart policy of `{container}` is `{policy}`: once you have stopped it, it "
            "stays stopped.",
            next="Only one policy starts it again all the same. `docker update` sets it.",
            container=name,
            policy=policy,
        )
    found = "`{container}` is a registry for this machine only, with the restart policy `{policy}`."
    return Sentence(found, container=name, policy=policy)


run_a_second_one.solution(
    lambda ws: start_second_registry(ws, restart_policy={"Name": "always"}),
    lambda ws: ws.engine.start(_container(ws).id),
    lambda ws: ws.wait_for_registry(),
)
run_a_second_one.mistake(
    "the policy of the first registry", advice="docker update", reason="unless-stopped"
)(lambda ws: start_second_registry(ws, restart_policy={"Name": "unless-stopped"}))
run_a_second_one.mistake("the first one stopped", advice=START_IT, reason="exited")(
    lambda ws: start_second_registry(ws, restart_policy={"Name": "always"}),
    lambda ws: ws.engine.stop(_container(ws).id),
)
run_a_second_one.mistake("in place of the first one", advice=START_IT, reason="one-only")(
    lambda ws: ws.engine.stop(_container(ws).id),
    lambda ws: ws.run(ws.registry_image, name=ws["second"], ports={5000: ws.port}),
    lambda ws: ws.wait_for_registry(),
)
run_a_second_one.mistake("no port published", advice="`-p`", reason="unpublished")(
    lambda ws: ws.run(ws.registry_image, name=ws["second"])
)


@run_a_second_one.mistake(
    "on the first registry's port", advice="a port that is free", reason="start-failed"
)
def _(workspace):
    name, ports = workspace["second"], {5000: workspace.port}
    made = workspace.create(workspace.registry_image, name=name, ports=ports)
    with suppress(CannotCheck):  # the engine says why not
        workspace.engine.start(made)


def _container(workspace):
    """Return the container that serves the registry, or did before it ended."""
    return require_started(workspace, "The registry on `{registry}` is served by a container.")


def _kill_from_inside(workspace, container):
    kill = ["kill", "-QUIT", "1"]
    workspace.run_to_end("busybox:stable", kill, pid_mode=f"container:{container}")


def _is_silent(workspace):
    """Return whether nothing answers on the registry's port."""
    try:
        workspace.api.ping()
    except RegistryDown:
        return True
    except NotARegistry:
        return False
