"""Let a second host pull from your registry, which it refuses to do before it trusts its TLS."""

import datetime
import ipaddress
import json
import random
import re
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from labrunner import (
    RUN,
    CannotCheck,
    Lab,
    NotARegistry,
    NotYet,
    OtherScheme,
    RegistryDown,
    Untrusted,
)

lab = Lab(
    title="Across the network",
    images=["registry:2", "busybox:stable", "docker:dind"],
    sample=True,
)

DOMAIN = "registry.lab"
CERTS = "/etc/docker/certs.d"
SETTINGS = "/etc/docker/daemon.json"
HTTP_ERROR = "server gave HTTP response to HTTPS client"
TLS_SETTINGS = {
    "REGISTRY_HTTP_TLS_CERTIFICATE": "/certs/registry.crt",
    "REGISTRY_HTTP_TLS_KEY": "/certs/registry.key",
}
LONG = (
    "--cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined "
    "-v /sys/fs/cgroup:/sys/fs/cgroup:rw"
)
SOME: dict[str, object] = {  # the same, where the API has it
    "cap_add": ["ALL"],
    "cap_drop": ["SYS_RESOURCE"],
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    "volumes": {"/sys/fs/cgroup": "/sys/fs/cgroup"},
}
_POWERS: dict[object, str] = {}  # by engine, which is asked once

PLAIN = (
    "`docker run -d -p {port}:5000 --name {name} --network {network} --ip {address} "
    "--network-alias registry.lab -v {volume}:/var/lib/registry registry:2`"
)
TLS = PLAIN.replace(
    " registry:2`",
    ' -v "$PWD/certs:/certs:ro" -e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/registry.crt '
    "-e REGISTRY_HTTP_TLS_KEY=/certs/registry.key registry:2`",
)
HOST = "`docker run -d --name {host} --network {network} {powers} docker:dind`"
SIGN = (
    "`echo subjectAltName=DNS:registry.lab,IP:ADDRESS > san.ext`, `openssl x509 -req -in "
    "registry.csr -CA ca/ca.crt -CAkey ca/ca.key -CAcreateserial -days 30 -extfile san.ext -out "
    "certs/registry.crt`, `docker restart NAME`."
)


@lab.value
def network(workspace):
    return workspace.unused("lab-network")


@lab.value
def subnet(workspace):
    """A free one in the range that is set aside for tests of networks."""
    for part in random.sample(range(256), 20):
        try:
            found = f"198.18.{part}.0/24"
            probe = workspace.create_network(f"probe-{workspace.id}", found)
        except CannotCheck as error:
            taken = error
        else:
            workspace.engine.remove_network(probe)
            return found
    raise taken


@lab.value
def address(workspace):
    return str(ipaddress.ip_network(workspace["subnet"])[2])


@lab.value
def host(workspace):
    return workspace.unused("second-host")


@lab.value
def volume(workspace):
    return workspace.unused("registry-data")


@lab.value
def powers(workspace):
    """What an engine in a container needs, as far as this engine can give it."""
    if workspace.engine not in _POWERS:
        try:
            workspace.run_to_end("busybox:stable", ["true"], privileged=True)
            _POWERS[workspace.engine] = "--privileged"
        except CannotCheck:
            _POWERS[workspace.engine] = LONG
    return _POWERS[workspace.engine]


@lab.step(lasting=True)
def start_a_second_host(workspace):
    """`{host}` is an engine of its own, and there `registry.lab` is your registry."""
    second, at = _second_host(workspace)
    return f"On `{second.name}`, a second engine, `{DOMAIN}` is your registry, at `{at}`."


@start_a_second_host.solution
def _(workspace):
    _start_network(workspace)
    _start_registry(workspace)
    _push(workspace)
    _start_host(workspace)


@start_a_second_host.mistake("the two on different networks", advice="connect {network} {host}")
def _(workspace):
    _start_network(workspace)
    _start_registry(workspace)
    _start_host(workspace, network="bridge")


@start_a_second_host.mistake("no name for the registry", advice="--network-alias registry.lab")
def _(workspace):
    _start_network(workspace)
    _start_registry(workspace, aliases=[])
    _start_host(workspace)


@start_a_second_host.mistake("an engine without its powers", advice="{powers}")
def _(workspace):
    _start_network(workspace)
    _start_registry(workspace)
    made = workspace.run("docker:dind", name=workspace["host"], network=workspace["network"])
    workspace.engine.wait(made)


@lab.step
def meet_the_error(workspace, answer):
    """The second host's engine refuses to pull from `registry.lab:5000` over plain HTTP."""
    second, at = _second_host(workspace)
    expected = f"The error that ends with `{HTTP_ERROR}`, met on `{second.name}`."
    pull = f"Run `docker exec {second.name} docker pull {DOMAIN}:5000/{workspace.image}`"
    if HTTP_ERROR not in answer:
        raise NotYet(
            expected=expected,
            found=_which_error(workspace, answer),
            next=f"{pull} and submit the line that it prints.",
        )
    named = re.search(r"https?://([^/\"]+)/", answer)
    if named and named[1] not in (f"{DOMAIN}:5000", f"{at}:5000"):
        raise NotYet(
            expected=expected,
            found=f"Your error is about `{named[1]}`.",
            next=f"{pull} and submit the line that it prints.",
        )
    log = workspace.engine.logs(second.id, since=workspace.record.opened, tail=10000)
    if not any(HTTP_ERROR in line and (DOMAIN in line or at in line) for line in log.splitlines()):
        raise NotYet(
            expected=expected,
            found=f"Those are the words, but the log of `{second.name}` has no such refusal.",
            next=f"{pull}: meet it yourself.",
        )
    return f"`{second.name}` refused: your registry speaks plain HTTP."


@meet_the_error.solution
def _(workspace):
    return _pull(workspace, f"{DOMAIN}:5000")


@meet_the_error.mistake("pulled on your own engine", advice="docker exec {host} docker pull")
def _(workspace):
    workspace.pull(f"{workspace.registry}/{workspace.image}:latest")
    return f"Status: Image is up to date for {workspace.registry}/{workspace.image}:latest"


@meet_the_error.mistake("localhost on the second host", advice="pull registry.lab:5000/{image}")
def _(workspace):
    return _pull(workspace, workspace.registry)


@meet_the_error.near_miss("the error copied, not met", advice="docker exec {host} docker pull")
def _(workspace):
    return f'Get "https://{DOMAIN}:5000/v2/": http: {HTTP_ERROR}'


@lab.step(lasting=True)
def serve_tls(workspace):
    """Your registry speaks TLS, with a certificate for `registry.lab` and for its IP address."""
    _, at = _second_host(workspace)
    expected = f"A certificate whose Subject Alternative Name has `DNS:{DOMAIN}` and `IP:{at}`."
    shown = workspace.api.certificate()
    if not shown:
        raise NotYet(
            expected=expected,
            found=f"`{workspace.registry}` speaks plain HTTP; it shows no certificate.",
            next=workspace.fill(f"`docker rm -f {{name}}`, then {TLS}."),
        )
    certificate = x509.load_pem_x509_certificate(shown.encode())
    if wrong := _wrong_with(certificate, at):
        raise NotYet(
            expected=expected,
            found=wrong,
            next=SIGN.replace("ADDRESS", at).replace("NAME", _registry(workspace).name),
        )
    return f"`{workspace.registry}` speaks TLS, with a certificate for `{DOMAIN}` and `{at}`."


@serve_tls.solution
def _(workspace):
    _serve(workspace, f"DNS:{DOMAIN}", "IP:{address}")


@serve_tls.mistake("a common name only", advice="subjectAltName=DNS:registry.lab,IP:{address}")
def _(workspace):
    _serve(workspace)


@serve_tls.mistake("for another name", advice="subjectAltName=DNS:registry.lab,IP:{address}")
def _(workspace):
    _serve(workspace, "DNS:registry", "IP:{address}")


@serve_tls.mistake("without the IP address", advice="subjectAltName=DNS:registry.lab,IP:{address}")
def _(workspace):
    _serve(workspace, f"DNS:{DOMAIN}")


@serve_tls.mistake("made, but not given to the registry", advice="REGISTRY_HTTP_TLS_CERTIFICATE")
def _(workspace):
    _make_certificates(workspace, f"DNS:{DOMAIN}", "IP:{address}")


@serve_tls.mistake("the folder not mounted", advice="docker logs {name}")
def _(workspace):
    workspace.engine.remove_container(_registry(workspace).id)
    options = {**_in_network(workspace), "environment": TLS_SETTINGS}
    made = workspace.run("registry:2", name=workspace.name, ports={5000: workspace.port}, **options)
    workspace.engine.wait(made)


@lab.step
def trust_the_ca(workspace):
    """The second host trusts your CA, and has pulled from `registry.lab:5000`."""
    second, _ = _second_host(workspace)
    return _pulled_securely(workspace, second, DOMAIN)


@trust_the_ca.solution
def _(workspace):
    _install(workspace, f"{DOMAIN}:5000/ca.crt")
    _pull(workspace, f"{DOMAIN}:5000")


@trust_the_ca.mistake("a folder without the port", advice=f"{CERTS}/registry.lab:5000/ca.crt")
def _(workspace):
    _install(workspace, f"{DOMAIN}/ca.crt")
    _pull(workspace, f"{DOMAIN}:5000")


@trust_the_ca.mistake("the certificate of another CA", advice="docker cp ca/ca.crt {host}:")
def _(workspace):
    _make_certificates(workspace)  # the registry has read the first ones
    _install(workspace, f"{DOMAIN}:5000/ca.crt")
    _pull(workspace, f"{DOMAIN}:5000")


@trust_the_ca.mistake("proved over localhost", advice="docker exec {host} docker pull registry.lab")
def _(workspace):
    _install(workspace, f"{DOMAIN}:5000/ca.crt")
    workspace.pull(f"{workspace.registry}/{workspace.image}:latest")


@lab.step
def pull_by_address(workspace):
    """The second host has also pulled by your registry's IP address, and run the image."""
    second, at = _second_host(workspace)
    found = _pulled_securely(workspace, second, at)
    places = (f"{DOMAIN}:5000/", f"{at}:5000/")
    for event in _events(workspace, second, "container", "start"):
        if event["Actor"]["Attributes"].get("image", "").startswith(places):
            return f"{found} It has run there."
    raise NotYet(
        expected=f"`{second.name}` has run the image that it pulled.",
        found=f"{found} But no container was started from it there.",
        next=f"`docker exec {second.name} docker run --rm {at}:5000/{workspace.image}`.",
    )


@pull_by_address.solution
def _(workspace):
    _install(workspace, "{address}:5000/ca.crt")
    _pull(workspace, "{address}:5000")
    _inside(workspace, "run", "--rm", "{address}:5000/{image}")


@pull_by_address.mistake("trusted by name only", advice=f"{CERTS}/{{address}}:5000/ca.crt")
def _(workspace):
    _pull(workspace, "{address}:5000")


@pull_by_address.mistake("pulled, but not run", advice="docker run --rm {address}:5000/{image}")
def _(workspace):
    _install(workspace, "{address}:5000/ca.crt")
    _pull(workspace, "{address}:5000")


@lab.step
def go_insecure(workspace):
    """The second host has pulled without your CA, by an exception for `registry.lab:5000`."""
    second, at = _second_host(workspace)
    expected = f"`{second.name}` pulls from `{DOMAIN}:5000` as from an insecure registry."
    if not _insecure(workspace, second, at):
        text = _settings(workspace, second)
        wanted = f'{{"insecure-registries": ["{DOMAIN}:5000"]}}'
        written = f'"{DOMAIN}:5000"' in text
        raise NotYet(
            expected=expected,
            found=f"Its `{SETTINGS}` says `{text}`"
            + (", but the engine has not read it again." if written else "."),
            next=f"`docker kill -s HUP {second.name}`, and then the pull."
            if written
            else f"Write `{wanted}` there, then `docker kill -s HUP {second.name}`, and pull.",
        )
    if not _no_trust(workspace, second, DOMAIN):
        raise NotYet(
            expected=expected,
            found=f"`{second.name}` still trusts your CA, so a pull shows nothing about the rest.",
            next=f"`docker exec {second.name} rm -r {CERTS}`, then pull again.",
        )
    since = max(
        (event["timeNano"] for event in _events(workspace, second, "daemon", "reload")), default=0
    )
    if not any(moment > since for moment in _pull_times(workspace, second, DOMAIN)):
        raise NotYet(
            expected=expected,
            found="The exception is in force, and there was no pull since.",
            next=f"`docker exec {second.name} docker pull {DOMAIN}:5000/{workspace.image}`.",
        )
    return f"`{second.name}` has pulled from `{DOMAIN}:5000` without knowing who answered."


@go_insecure.solution
def _(workspace):
    _inside(workspace, "rm", "-r", CERTS, program=())
    _configure(workspace, {"insecure-registries": [f"{DOMAIN}:5000"]})
    _pull(workspace, f"{DOMAIN}:5000")


@go_insecure.mistake("the CA still there", advice=f"docker exec {{host}} rm -r {CERTS}")
def _(workspace):
    _configure(workspace, {"insecure-registries": [f"{DOMAIN}:5000"]})
    _pull(workspace, f"{DOMAIN}:5000")


@go_insecure.mistake("written, but not reloaded", advice="docker kill -s HUP {host}")
def _(workspace):
    _inside(workspace, "rm", "-r", CERTS, program=())
    _configure(workspace, {"insecure-registries": [f"{DOMAIN}:5000"]}, reload=False)
    _pull(workspace, f"{DOMAIN}:5000")


@go_insecure.mistake("the name without the port", advice='["registry.lab:5000"]')
def _(workspace):
    _inside(workspace, "rm", "-r", CERTS, program=())
    _configure(workspace, {"insecure-registries": [DOMAIN]})
    _pull(workspace, f"{DOMAIN}:5000")


@lab.step(lasting=True)
def trust_again(workspace):
    """The exception is gone, and the second host trusts your CA again."""
    second, at = _second_host(workspace)
    expected = f"`{second.name}` takes `{DOMAIN}:5000` for secure, and trusts your CA."
    if _insecure(workspace, second, at):
        raise NotYet(
            expected=expected,
            found=f"`{DOMAIN}:5000` is still an insecure registry there; `{SETTINGS}` says "
            f"`{_settings(workspace, second)}`.",
            next='An absent key changes nothing. Write `{"insecure-registries": []}` into '
            f"`{SETTINGS}` there, then `docker kill -s HUP {second.name}`.",
        )
    if wrong := _no_trust(workspace, second, DOMAIN):
        raise NotYet(expected=expected, found=wrong, next=_put_ca(second, DOMAIN))
    return f"`{second.name}` has no exception for `{DOMAIN}:5000`, and trusts your CA."


@trust_again.solution
def _(workspace):
    _configure(workspace, {"insecure-registries": []})
    _install(workspace, f"{DOMAIN}:5000/ca.crt")


@trust_again.mistake("the key taken away", advice='{"insecure-registries": []}')
def _(workspace):
    _configure(workspace, {})
    _install(workspace, f"{DOMAIN}:5000/ca.crt")


@trust_again.mistake("the CA forgotten", advice="docker cp ca/ca.crt {host}:")
def _(workspace):
    _configure(workspace, {"insecure-registries": []})


# What is there


def _registry(workspace):
    """The container of the registry that answers on the workspace's port, over HTTP or TLS."""
    expected = workspace.fill("Your registry answers on `{registry}`, from a container.")
    try:
        workspace.api.ping()
    except OtherScheme:
        pass
    except (RegistryDown, NotARegistry) as wrong:
        run, ours = workspace.fill(RUN), workspace.fill(PLAIN)
        todo = wrong.next.replace(run, ours)
        raise NotYet(expected=expected, found=wrong.found, next=todo) from None
    container = workspace.registry_container()
    if not container or not container.publishes(workspace.port):
        raise NotYet(
            expected=expected,
            found="A registry answers there, but no container publishes that port.",
            next=workspace.fill(f"Stop the program that answers, then {PLAIN}."),
        )
    return container


def _second_host(workspace):
    """The container with the second engine, and the IP address of the registry as seen there."""
    expected = workspace.fill(
        f"A second engine runs in the container `{{host}}`, and reaches your registry as "
        f"`{DOMAIN}`."
    )
    registry = _registry(workspace)
    second = _candidate(workspace, registry)
    if not second:
        raise NotYet(
            expected=expected,
            found=workspace.fill("There is no container `{host}`."),
            next=workspace.fill(f"{HOST}."),
        )
    name, engine = second.name, workspace.engine
    if not second.running:
        raise NotYet(
            expected=expected,
            found=f"The container `{name}` is {second.state}, with exit code {second.exit_code}. "
            "An engine needs powers that other containers do not have.",
            next=workspace.fill(f"`docker logs {name}` says why. `docker rm -fv {name}`, then ")
            + workspace.fill(f"{HOST}."),
        )
    code, words = engine.execute(second.id, ["docker", "version"])
    if code:
        raise NotYet(
            expected=expected,
            found=f"No engine answers in `{name}`: {(words.strip() or '?').splitlines()[-1]}",
            next=f"Wait a moment; else `docker logs {name}` says what is wrong.",
        )
    _, words = engine.execute(second.id, ["ping", "-c", "1", "-W", "1", DOMAIN])
    leads = re.search(r"\(([\d.]+)\)", words)
    if leads and leads[1] in registry.addresses.values():
        return second, leads[1]
    shared = set(second.addresses) & set(registry.addresses)
    if leads:
        found = f"On `{name}`, `{DOMAIN}` is `{leads[1]}`, which is not your registry."
    elif shared:
        found = f"`{name}` and `{registry.name}` share the network `{min(shared)}`, but nothing "
        found += f"there is called `{DOMAIN}`."
    else:
        theirs = ", ".join(f"`{each}`" for each in second.addresses) or "none"
        found = f"`{name}` does not know `{DOMAIN}`. It is in the network {theirs}; "
        found += f"`{registry.name}` is in {', '.join(f'`{each}`' for each in registry.addresses)}."
    home = next((each for each in registry.addresses if each != "bridge"), None)
    if home and not shared:
        todo = f"`docker network connect {home} {name}`."
    else:
        again = TLS if workspace.api.certificate() else PLAIN
        todo = workspace.fill(f"`docker rm -f {registry.name}`, then {again}.")
    raise NotYet(expected=expected, found=found, next=todo)


def _candidate(workspace, registry):
    """The container by the lab's name; else a new one beside the registry in its network."""
    engine, networks = workspace.engine, set(registry.addresses) - {"bridge"}
    if found := engine.container(workspace["host"]):
        return found
    for each in engine.containers(status="running"):
        if each.id != registry.id and each.id not in workspace.record.before["containers"]:
            found = engine.container(each.id)
            if found and networks & set(found.addresses):
                return found
    return None


def _which_error(workspace, answer):
    """What an answer says that is not the error over HTTP."""
    said = " ".join(answer.split())
    for words, meaning in (
        (
            "connection refused",
            "Nothing listens at that address and port. `localhost` "
            "is the second host itself there, and in the network your registry's port is 5000.",
        ),
        ("no such host", "The second host does not know that name."),
        ("x509", "That is about a certificate, so your registry speaks TLS already."),
        ("Status:", "That pull worked. On your own engine `localhost` may speak plain HTTP."),
    ):
        if words in said:
            return f"{meaning} Your answer: `{said[:120]}`."
    return f"Your answer is another one: `{said[:120]}`."


def _wrong_with(certificate, at):
    """What keeps a certificate from being good for the name and the address, or None."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        subject = certificate.subject.rfc4514_string()
        return f"It names `{subject}` as its subject only, which Docker does not look at."
    dns = names.get_values_for_type(x509.DNSName)
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    held = ", ".join(f"`{each}`" for each in [*dns, *addresses]) or "nothing"
    if at in dns and at not in addresses:
        return f"It has `{at}` as `DNS:`. An address must be written as `IP:`."
    if DOMAIN not in dns or at not in addresses:
        missing = at if DOMAIN in dns else DOMAIN
        return f"It is for {held}, and not for `{missing}`."
    now = datetime.datetime.now(datetime.timezone.utc)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return f"It is valid until {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC only."
    return None


def _no_trust(workspace, second, place):
    """Why the second host does not trust the registry by this name or address, or None."""
    folder = f"{CERTS}/{place}:5000/"
    why = f"`{second.name}` has no CA in `{folder}`."
    _, listed = workspace.engine.execute(second.id, ["find", CERTS, "!", "-type", "d"])
    paths = [line for line in listed.splitlines() if line.startswith(CERTS)]
    right = [path for path in paths if path.startswith(folder) and path.endswith(".crt")]
    if paths and not right:
        return f"{why} It has `{paths[0]}`, where it is not looked for."
    for path in right:
        data = workspace.engine.read_file(second.id, path) or b""
        try:
            x509.load_pem_x509_certificates(data)
            workspace.client(name=place, ca=data.decode()).ping()
            return None
        except ValueError:
            why = f"`{path}` on `{second.name}` is no certificate."
        except Untrusted as error:
            why = f"`{path}` on `{second.name}` does not verify your registry: {error.reason}."
    return why


def _put_ca(second, place):
    folder = f"{CERTS}/{place}:5000"
    return (
        f"`docker exec {second.name} mkdir -p {folder}`, then "
        f"`docker cp ca/ca.crt {second.name}:{folder}/ca.crt`."
    )


def _events(workspace, second, kind, action):
    """The second host's own events, as far as its engine remembers them."""
    now = f"{workspace.engine.info().time:.9f}"  # the clock is one; `0s` ends at a whole second
    words = ["docker", "events", "--since", "0", "--until", now, "--format", "{{json .}}"]
    _, output = workspace.engine.execute(second.id, words)
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [row for row in rows if (row.get("Type"), row.get("Action")) == (kind, action)]


def _pull_times(workspace, second, place):
    """When the second host pulled by this name or address, in nanoseconds since 1970."""
    return [
        event["timeNano"]
        for event in _events(workspace, second, "image", "pull")
        if event["Actor"]["ID"].startswith(f"{place}:5000/")
    ]


def _pulled_securely(workspace, second, place):
    """Say that the second host has pulled by this name or address since the registry speaks TLS."""
    expected = f"`{second.name}` has pulled from `{place}:5000`, whose certificate it trusts."
    pull = f"`docker exec {second.name} docker pull {place}:5000/{workspace.image}`."
    if wrong := _no_trust(workspace, second, place):
        raise NotYet(expected=expected, found=wrong, next=_put_ca(second, place))
    started = _registry(workspace).started * 1e9
    if not any(moment > started for moment in _pull_times(workspace, second, place)):
        now, own = workspace.engine.info().time, workspace.registry
        pulls = workspace.engine.events(started / 1e9, now, type="image", event="pull")
        found = f"It trusts your CA, and has not pulled from `{place}:5000` yet."
        if any(event.id.startswith(own) for event in pulls):
            found = f"You have pulled from `{own}` on your own engine, which proves nothing: an "
            found += "engine trusts its own machine without a certificate."
        raise NotYet(expected=expected, found=found, next=pull)
    return f"`{second.name}` has pulled from `{place}:5000`, and knows that it is your registry."


def _insecure(workspace, second, at):
    """Whether the second host's engine makes an exception for the registry."""
    words = ["docker", "info", "--format", "{{json .RegistryConfig}}"]
    config = json.loads(workspace.engine.execute(second.id, words)[1])
    named = (config.get("IndexConfigs") or {}).get(f"{DOMAIN}:5000")
    ranges = [ipaddress.ip_network(each) for each in config.get("InsecureRegistryCIDRs") or ()]
    return not named["Secure"] if named else any(ipaddress.ip_address(at) in r for r in ranges)


def _settings(workspace, second):
    """The text of its `daemon.json`, as far as it goes on a line."""
    data = workspace.engine.read_file(second.id, SETTINGS) or b""
    return " ".join(data.decode(errors="replace").split())[:120] or "nothing"


# Acts, for the solutions and mistakes


def _start_network(workspace):
    workspace.create_network(workspace["network"], workspace["subnet"])


def _in_network(workspace):
    return {
        "network": workspace["network"],
        "aliases": [DOMAIN],
        "volumes": {"/var/lib/registry": workspace["volume"]},
    }


def _start_registry(workspace, **options):
    workspace.run_registry(**{**_in_network(workspace), **options})


def _push(workspace):
    name = f"{workspace.registry}/{workspace.image}:latest"
    workspace.tag(workspace.sample, name)
    workspace.push(name)


def _start_host(workspace, **options):
    powers = SOME if workspace["powers"] == LONG else {"privileged": True}
    how = {"network": workspace["network"], **powers, **options}
    made, end = workspace.run("docker:dind", name=workspace["host"], **how), time.monotonic() + 30
    while workspace.engine.execute(made, ["docker", "version"])[0]:
        if time.monotonic() > end:
            raise CannotCheck(workspace.engine.logs(made, tail=1), next="Look at its log.")
        time.sleep(0.1)


def _inside(workspace, *words, program=("docker",)):
    """Run a command on the second host; the last line that it prints."""
    command = [*program, *(workspace.fill(word) for word in words)]
    output = workspace.engine.execute(workspace["host"], command)[1]
    return output.strip().splitlines()[-1] if output.strip() else ""


def _pull(workspace, place):
    return _inside(workspace, "pull", f"{place}/{{image}}")


def _serve(workspace, *names):
    """Start the registry anew, with a certificate for these names."""
    _make_certificates(workspace, *names)
    workspace.engine.remove_container(_registry(workspace).id)
    options = _in_network(workspace)
    options["volumes"]["/certs:ro"] = str(workspace.work / "certs")
    _start_registry(workspace, environment=TLS_SETTINGS, **options)


def _make_certificates(workspace, *names):
    """A CA in `ca`, and the registry's certificate with its key in `certs`."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("Lab CA", DOMAIN)
    )
    now = datetime.datetime.now(datetime.timezone.utc)

    def sign(subject, public, *extensions):
        builder = x509.CertificateBuilder(ca_name, subject, public, x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(30))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    kinds = {"DNS": x509.DNSName, "IP": lambda text: x509.IPAddress(ipaddress.ip_address(text))}
    parts = [workspace.fill(each).split(":") for each in names]
    san = [x509.SubjectAlternativeName([kinds[kind](text) for kind, text in parts])]
    files = {
        "ca/ca.crt": sign(ca_name, ca_key.public_key(), x509.BasicConstraints(True, None)),
        "certs/registry.crt": sign(name, key.public_key(), *(san if names else ())),
        "certs/registry.key": key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    }
    for path, data in files.items():
        (workspace.work / path).parent.mkdir(exist_ok=True)
        (workspace.work / path).write_bytes(data)


def _install(workspace, path):
    """Put the CA into the second host's folder for certificates."""
    data = (workspace.work / "ca/ca.crt").read_bytes()
    workspace.engine.write_file(workspace["host"], workspace.fill(f"{CERTS}/{path}"), data)


def _configure(workspace, settings, *, reload=True):
    data = json.dumps(settings).encode()
    workspace.engine.write_file(workspace["host"], SETTINGS, data)
    if reload:
        workspace.engine.kill(workspace["host"], "SIGHUP")
        time.sleep(0.3)
