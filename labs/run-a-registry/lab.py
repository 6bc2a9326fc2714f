"""Run a registry of your own, look inside, and make it come back by itself when it dies."""

import json
import time

from labrunner import RUN, Lab, NotARegistry, NotYet, RegistryDown

lab = Lab(title="Run a registry", images=["registry:2", "busybox:stable"])

BY_ITSELF = ("unless-stopped", "always")
KILL = "`docker run --rm --pid container:{name} busybox:stable kill -QUIT 1`"


@lab.step(lasting=True)
def start_a_registry(workspace):
    """A registry answers on `{registry}`, and a container serves it."""
    expected = workspace.fill("A registry answers on `{registry}`, and a container serves it.")
    try:
        workspace.api.ping()
    except (RegistryDown, NotARegistry) as wrong:
        raise NotYet(expected=expected, found=wrong.found, next=wrong.next) from None
    container = workspace.registry_container()
    if not container or not container.publishes(workspace.port):
        raise NotYet(
            expected=expected,
            found="A registry answers there, but no container publishes that port.",
            next=workspace.fill(f"Stop the program that answers, then {RUN}."),
        )
    return f"`{workspace.registry}` is a registry; the container `{container.name}` serves it."


@start_a_registry.solution
def _(workspace):
    workspace.run_registry()


@start_a_registry.mistake("created, but not started", advice="docker start {name}")
def _(workspace):
    workspace.create("registry:2", name=workspace.name, ports={5000: workspace.port})


@start_a_registry.mistake("stopped again", advice="docker start {name}")
def _(workspace):
    workspace.engine.stop(workspace.run_registry())


@start_a_registry.mistake("settings that make it exit", advice="docker logs {name}")
def _(workspace):
    panics = {"REGISTRY_AUTH": "htpasswd"}  # without a realm
    ports = {5000: workspace.port}
    container = workspace.run("registry:2", name=workspace.name, ports=ports, environment=panics)
    workspace.engine.wait(container)


@start_a_registry.mistake("no port published", advice="-p {port}:5000")
def _(workspace):
    workspace.run("registry:2", name=workspace.name)


@start_a_registry.mistake("published on another port", advice="-p {port}:5000")
def _(workspace):
    workspace.run("registry:2", name=workspace.name, ports={5000: None})


@start_a_registry.mistake("published to the wrong port of the container", advice="-p {port}:5000")
def _(workspace):
    workspace.run("registry:2", name=workspace.name, ports={5001: workspace.port})


@start_a_registry.mistake("another program on the port", advice="docker stop web-{name}")
def _(workspace):
    serve = ["httpd", "-f", "-p", "5000"]
    ports = {5000: workspace.port}
    workspace.run("busybox:stable", name=f"web-{workspace.name}", command=serve, ports=ports)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            workspace.api.ping()
        except RegistryDown:
            time.sleep(0.05)
        except NotARegistry:
            return


@start_a_registry.mistake("the name is taken by another container", advice="--name my-registry")
def _(workspace):
    workspace.create("busybox:stable", name=workspace.name)


@lab.step
def ask_the_catalog(workspace, answer):
    """You have asked `{registry}` what it holds: nothing yet."""
    ask = f"`curl -s http://{workspace.registry}/v2/_catalog`"
    expected = f"What {ask} prints: the names of the repositories, none so far."
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        raise NotYet(
            expected=expected,
            found="Your answer is not JSON, the format in which a registry answers.",
            next=f"Run {ask} and submit its output as it stands.",
        ) from None
    if told == {}:
        raise NotYet(
            expected=expected,
            found="`{}` is what `/v2/` answers: the registry is there. It names no repositories.",
            next=f"Ask the catalog: {ask}.",
        )
    if not isinstance(told, dict) or not isinstance(told.get("repositories"), list):
        raise NotYet(
            expected=expected,
            found="Your answer has no list of `repositories`.",
            next=f"Run {ask} and submit its output as it stands.",
        )
    held = workspace.api.repositories()
    if sorted(map(str, told["repositories"])) != sorted(held):
        raise NotYet(
            expected=f"The catalog of `{workspace.registry}`, which has {len(held)} repositories.",
            found=f"Your answer names {len(told['repositories'])}.",
            next=f"It is another registry's, or an older one. Run {ask} again.",
        )
    return f"The catalog of `{workspace.registry}` is as you say: `{json.dumps(told)}`."


@ask_the_catalog.solution
def _(workspace):
    return json.dumps({"repositories": workspace.api.repositories()})


@ask_the_catalog.near_miss("the answer of /v2/ instead of the catalog's", advice="/v2/_catalog")
def _(workspace):
    return "{}"


@ask_the_catalog.near_miss("an error page", advice="/v2/_catalog")
def _(workspace):
    return workspace.api.request("GET", "../_catalog").body.decode()


@ask_the_catalog.near_miss("the catalog of another registry", advice="/v2/_catalog")
def _(workspace):
    return '{"repositories": ["somebody/else"]}'


@lab.step(lasting=True)
def set_a_restart_policy(workspace):
    """The engine starts your registry again when it dies, and when the engine itself starts."""
    container = _container(workspace)
    policy = container.restart_policy
    update = f"`docker update --restart unless-stopped {container.name}`"
    if policy in BY_ITSELF:
        return f"The restart policy of `{container.name}` is `{policy}`."
    found = f"The restart policy of `{container.name}` is `{policy}`"
    if policy == "on-failure":
        found += ", which does not start it again when the engine restarts"
    raise NotYet(
        expected="The restart policy `unless-stopped`, or `always`.",
        found=f"{found}.",
        next=f"{update}.",
    )


@set_a_restart_policy.solution
def _(workspace):
    workspace.engine.set_restart_policy(_container(workspace).id, "unless-stopped")


@set_a_restart_policy.mistake("the policy on-failure", advice="docker update --restart")
def _(workspace):
    workspace.engine.set_restart_policy(_container(workspace).id, "on-failure")


@lab.step
def let_it_die(workspace):
    """The registry's process has died, and the engine has started it again."""
    container = _container(workspace)
    kill = workspace.fill(KILL).replace(f":{workspace.name} ", f":{container.name} ")
    expected = "The engine has started the container again (`RestartCount` is 1 or more)."
    if not container.running and container.state != "restarting":
        if container.restart_policy not in BY_ITSELF:
            update = f"`docker update --restart unless-stopped {container.name}`"
            raise NotYet(
                expected=expected,
                found=f"The container `{container.name}` is {container.state} and stays so: its "
                f"restart policy is `{container.restart_policy}`.",
                next=f"{update}, `docker start {container.name}`, then {kill}.",
            )
        raise NotYet(
            expected=expected,
            found=f"The container `{container.name}` is {container.state} and stays so: the engine "
            "takes `docker kill` and `docker stop` as your wish.",
            next=f"`docker start {container.name}`, then {kill}.",
        )
    if container.restart_count == 0:
        policy = container.restart_policy
        raise NotYet(
            expected=expected,
            found=f"`RestartCount` of `{container.name}` is 0, its policy `{policy}`: its process "
            "has not died since you started it.",
            next=f"Let it die from inside: {kill}.",
        )
    workspace.api.ping()
    return f"`{container.name}` died and came back; `RestartCount` is {container.restart_count}."


@let_it_die.solution
def _(workspace):
    container = _container(workspace).id
    workspace.run_to_end(
        "busybox:stable", ["kill", "-QUIT", "1"], pid_mode=f"container:{container}"
    )
    end = time.monotonic() + 10
    while time.monotonic() < end and not _container(workspace).restart_count:
        time.sleep(0.05)
    workspace.wait_for_registry()


@let_it_die.mistake("killed with docker kill", advice="docker start {name}")
def _(workspace):
    workspace.engine.kill(_container(workspace).id)


@let_it_die.mistake("no restart policy", advice="docker update --restart unless-stopped {name}")
def _(workspace):
    container = _container(workspace).id
    workspace.engine.set_restart_policy(container, "no")
    workspace.run_to_end(
        "busybox:stable", ["kill", "-QUIT", "1"], pid_mode=f"container:{container}"
    )
    workspace.engine.wait(container)


@let_it_die.mistake("restarted by hand", advice="kill -QUIT 1")
def _(workspace):
    workspace.engine.restart(_container(workspace).id)
    workspace.wait_for_registry()


def _container(workspace):
    container = workspace.registry_container()
    if not container or not container.publishes(workspace.port):
        raise NotYet(
            expected=workspace.fill("A container serves the registry on `{registry}`."),
            found="There is no such container.",
            next=workspace.fill(f"Do the first step again: {RUN}."),
        )
    return container
