"""The lab with a second host, done in other ways and in other wrong ways than the lab's own."""

import re
import subprocess
import sys

import pytest

from labrunner import SecondHost, certificate_fault, files_fault
from labrunner.checks import second_host
from labrunner.course import loader
from labrunner.workspaces import resources
from tests.fixtures import workers
from tests.fixtures.certificates import TLS, certify
from tests.fixtures.engine import ROOT, eventually
from tests.fixtures.workspaces import act, judge

LAB = loader.load_course(ROOT).labs["across-the-network"]
NAME = "registry.lab:5000"
ERROR = "x509: certificate signed by unknown authority"


def put(workspace, path, data):
    workspace.engine.write_file(workspace["host"], path, data)


def on_host(workspace, *words):
    return workspace.engine.execute(workspace["host"], words)[1]


@pytest.fixture(scope="module")
def opened(shared_workspaces):
    """A workspace with a second host; each test makes the rest that it needs."""
    workspace = shared_workspaces.open(LAB, "headless")
    act(workspace, "start-a-second-host")
    return workspace


def serve(workspace, folder):
    """Run the registry with the certificate in this folder."""
    workspace.run_registry(
        network=workspace["network"],
        aliases=["registry.lab"],
        volumes={"/certs:ro": str(folder), "/var/lib/registry": workspace["volume"]},
        environment=dict(each.split("=") for each in TLS[1::2]),
    )


@pytest.fixture
def trusted(opened):
    """The same, with the lab's registry and the CA on the second host."""
    if not judge(opened, "trust-the-ca").passed:
        act(opened, "start-a-second-host", "trust-the-ca")
    return opened


def test_the_lab_gives_a_registry_with_tls_and_the_image_and_keeps_it(workspaces):
    lab = workspaces.open(LAB, "headless")
    at, container = lab["address"], lab.engine.container(lab.name)
    assert files_fault(lab.work, "registry.lab", at) is None
    assert certificate_fault(lab.api.certificate(), "registry.lab", at) is None
    ca = (lab.work / "ca/ca.crt").read_text()
    registry = lab.client(name="registry.lab", ca=ca)
    assert lab.is_sample(registry.manifest(lab.image, "latest"), registry=registry)
    lab.engine.stop(container.id)
    lab.prepare(lambda line: None)
    assert lab.engine.container(lab.name).id == container.id
    assert f"`docker start {lab.name}`" in judge(lab, "start-a-second-host").next
    lab.engine.remove_container(container.id)
    lab.prepare(lambda line: None)
    assert (lab.work / "ca/ca.crt").read_text() == ca
    assert lab.client(name="registry.lab", ca=ca).manifest(lab.image, "latest")


def test_names_addresses_and_keys_of_ones_own_are_as_good(workspaces, docker, unique, tmp_path):
    """Another network without a subnet, other names, `--add-host` for the alias, RSA keys."""
    lab = workspaces.open(LAB, "headless")
    network, port = f"{unique}-net", f"127.0.0.1:{lab.port}:5000"
    registry = ("run", "-d", "-p", port, "--network", network, "-v", f"{unique}:/var/lib/registry")
    docker("rm", "-f", lab.name)
    docker("network", "create", network)
    docker("volume", "create", unique)
    first = docker(*registry, "registry:2")
    lab.wait_for_registry()
    docker("tag", lab.image, f"127.0.0.1:{lab.port}/{lab.image}")
    docker("push", f"127.0.0.1:{lab.port}/{lab.image}")
    at = lab.engine.container(first).addresses[network]
    words = ("--network", network, "--add-host", f"registry.lab:{at}", *lab["powers"].split())
    second = docker("run", "-d", "--name", f"{unique}-host", *words, "docker:dind")
    assert eventually(lambda: judge(lab, "start-a-second-host").reason == "plain-http", 30)

    certify(tmp_path, f"DNS:Registry.LAB,IP:{at}")
    docker("rm", "-f", first)
    docker(*registry, "-v", f"{tmp_path}:/certs:ro", *TLS, "registry:2")
    lab.wait_for_registry()
    assert judge(lab, "start-a-second-host").passed, judge(lab, "start-a-second-host")

    docker("exec", second, "mkdir", "-p", f"/etc/docker/certs.d/{NAME}")
    docker("cp", f"{tmp_path}/ca.crt", f"{second}:/etc/docker/certs.d/{NAME}/my-own.crt")
    docker("exec", second, "docker", "run", "--rm", f"{NAME}/{lab.image}")
    assert judge(lab, "trust-the-ca").passed, judge(lab, "trust-the-ca")

    docker("exec", second, "rm", "-r", "/etc/docker/certs.d")
    docker("exec", second, "mkdir", "-p", "/etc/ssl/certs")
    docker("cp", f"{tmp_path}/ca.crt", f"{second}:/etc/ssl/certs/ca-certificates.crt")
    docker("restart", "-t", "0", second)
    assert eventually(lambda: judge(lab, "start-a-second-host").passed, 30)
    assert judge(lab, "trust-the-ca").reason in ("no-ca", "not-pulled")
    docker("exec", second, "docker", "pull", f"{NAME}/{lab.image}")
    assert judge(lab, "trust-the-ca").passed, judge(lab, "trust-the-ca")


def test_the_registrys_own_certificate_is_as_good_as_the_cas(trusted):
    certificate = (trusted.work / "certs/registry.crt").read_bytes()
    put(trusted, f"/etc/docker/certs.d/{NAME}/ca.crt", certificate)
    on_host(trusted, "docker", "pull", f"{NAME}/{trusted.image}")
    assert judge(trusted, "trust-the-ca").passed, judge(trusted, "trust-the-ca")
    assert judge(trusted, "trust-again").passed, judge(trusted, "trust-again")


PROXY = """
import asyncio, ssl, sys

async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def serve(reader, writer):
    behind = await asyncio.open_connection(sys.argv[1], 5000)
    await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer), return_exceptions=True)

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("registry.crt", "registry.key")
    server = await asyncio.start_server(serve, port=5000, ssl=context)
    print("ready", flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.mark.skipif(bool(workers.missing()), reason=workers.missing())
def test_tls_that_a_proxy_speaks_is_as_good_as_the_registrys(opened, docker, unique, tmp_path):
    """The proxy stands in the network of a container, and hangs up on plain HTTP."""
    network, format = ("--network", opened["network"]), "{{.State.Pid}}"
    docker("rm", "-f", opened.registry_container().id)
    volume = ("-v", f"{opened['volume']}:/var/lib/registry")
    behind = docker("run", "-d", "--name", f"{unique}-behind", *network, *volume, "registry:2")
    publish = ("-p", f"127.0.0.1:{opened.port}:5000", "--network-alias", "registry.lab")
    front = docker(
        "run", "-d", "--name", unique, *network, *publish, "busybox:stable", "sleep", "9d"
    )
    at, to = (
        opened.engine.container(each).addresses[opened["network"]] for each in (front, behind)
    )
    certify(tmp_path, f"DNS:registry.lab,IP:{at}")
    enter = ["nsenter", f"--net=/proc/{docker('inspect', '-f', format, front)}/ns/net"]
    words = [*enter, sys.executable, "-c", PROXY, to]
    proxy = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert proxy.stdout.readline() == "ready\n"
        verdict = judge(opened, "start-a-second-host")
        assert verdict.passed, verdict
        put(opened, f"/etc/docker/certs.d/{NAME}/ca.crt", (tmp_path / "ca.crt").read_bytes())
        on_host(opened, "docker", "pull", f"{NAME}/{opened.image}")
        assert judge(opened, "trust-the-ca").passed, judge(opened, "trust-the-ca")
    finally:
        proxy.kill()
        proxy.communicate()
    docker("rm", "-f", front, behind)
    assert not judge(opened, "start-a-second-host").passed
    act(opened, "start-a-second-host", "trust-the-ca")


def test_the_powers_on_the_page_are_those_that_this_engine_gives(opened, docker):
    docker("run", "--rm", *opened["powers"].split(), "busybox:stable", "true")


def test_the_subnet_is_free_and_the_address_lies_in_it(opened):
    assert opened["address"] == opened["subnet"].replace(".0/24", ".2")
    container = opened.engine.container(opened.name)
    assert container.addresses == {opened["network"]: opened["address"]}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('Get "https://registry.lab:5001/v2/": dial tcp: connect: connection refused', "port is"),
        ("dial tcp: lookup registry.lab on 127.0.0.11:53: no such host", "does not know that name"),
        ("Status: Downloaded newer image for localhost:5000/my-image:latest", "pull worked"),
        ('Get "https://registry-1.docker.io/v2/": dial tcp: i/o timeout', "Docker Hub was asked"),
        ("I do not know", "not the expected error. Your answer: `I do not know`"),
    ],
)
def test_another_error_is_told_from_the_one_that_was_meant(opened, answer, words):
    verdict = judge(opened, "be-refused", answer)
    assert verdict.status == "failed" and words in verdict.found
    assert f"`docker exec {opened['host']} docker pull {NAME}/{opened.image}`" in verdict.next


def test_the_refusal_counts_in_the_words_of_a_newer_engine_once_it_was_met(trusted):
    on_host(trusted, "rm", "-r", "/etc/docker/certs.d")
    on_host(trusted, "docker", "pull", f"{NAME}/{trusted.image}")
    assert judge(trusted, "be-refused").found.endswith("Everything else is ready.")
    words = f'Head "https://{NAME}/v2/my-image/manifests/latest": tls: failed to verify: {ERROR}'
    assert judge(trusted, "be-refused", words).passed
    act(trusted, "trust-the-ca")


def test_who_has_trusted_the_ca_before_is_told_how_to_be_refused(trusted, monkeypatch):
    monkeypatch.setattr(SecondHost, "has_logged", lambda *where: False)
    pull = f"`docker exec {trusted['host']} docker pull {NAME}/{trusted.image}`."
    forget = f"`docker exec {trusted['host']} rm -r /etc/docker/certs.d`, then {pull}"
    for answer in ("", ERROR):
        assert f"Meet it yourself: {forget}" in judge(trusted, "be-refused", answer).next
    on_host(trusted, "rm", "-r", "/etc/docker/certs.d")
    assert judge(trusted, "be-refused", ERROR).next == f"Meet it yourself: {pull}"
    act(trusted, "trust-the-ca")


def test_a_registry_without_tls_is_to_get_its_certificate_or_a_lab_of_before_a_new_one(opened):
    opened.run_registry(network=opened["network"], aliases=["registry.lab"])
    for step in ("start-a-second-host", "trust-the-ca", "go-insecure", "trust-again"):
        verdict = judge(opened, step)
        assert verdict.reason == "plain-http" and "REGISTRY_HTTP_TLS_KEY" in verdict.next
    certificate = opened.work / "certs/registry.crt"
    certificate.rename(opened.work / "kept.crt")
    assert judge(opened, "start-a-second-host").next.startswith("Finish the lab and start it again")
    (opened.work / "kept.crt").rename(certificate)
    act(opened, "start-a-second-host")


def test_a_certificate_that_has_expired_is_renewed_and_no_ca_is_copied(opened, tmp_path):
    certify(tmp_path, opened.fill("DNS:registry.lab,IP:{address}"), "0")
    serve(opened, tmp_path)
    ca = (tmp_path / "ca.crt").read_bytes()
    put(opened, f"/etc/docker/certs.d/{NAME}/ca.crt", ca)
    assert eventually(lambda: judge(opened, "trust-the-ca").reason == "expired")
    for step in ("trust-the-ca", "pull-by-address", "trust-again"):
        verdict = judge(opened, step)
        assert "of `localhost:" in verdict.found and "It expired at" in verdict.found
        assert "`openssl x509 -req -in registry.csr" in verdict.next
        assert "docker cp" not in verdict.next
    act(opened, "start-a-second-host")


def test_a_ca_that_the_engine_cannot_use_is_named(trusted):
    right = f"/etc/docker/certs.d/{NAME}/ca.crt"
    ca = trusted.engine.read_file(trusted["host"], right)
    for path, data, words in (
        (f"{NAME}/ca.pem", ca, "where Docker does not look"),
        (f"{NAME}/ca.cert", ca, "ending of a client's certificate"),
        (f"{NAME}/ca/ca.crt", ca, "where Docker does not look"),
        (NAME, ca, "is a file, and must be a folder"),
        ("registry.lab/ca.crt", ca, "where Docker does not look"),
        (f"{NAME}/ca.crt", b"no certificate", "is not a certificate"),
    ):
        on_host(trusted, "rm", "-r", "/etc/docker/certs.d")
        put(trusted, f"/etc/docker/certs.d/{path}", data)
        verdict = judge(trusted, "trust-the-ca")
        assert verdict.status == "failed"
        assert f"/etc/docker/certs.d/{path}" in verdict.found and words in verdict.found
        assert f"{trusted['host']}:{right}" in verdict.next
    on_host(trusted, "rm", "-r", "/etc/docker/certs.d")
    put(trusted, right, ca)


@pytest.mark.parametrize("path", [NAME, f"{NAME}/ca.cert", f"{NAME}/ca.key"])
def test_a_file_that_is_in_the_way_of_the_ca_is_removed_by_the_advice(trusted, docker, path):
    """The engine would go on refusing with the CA beside it."""
    on_host(trusted, "rm", "-r", "/etc/docker/certs.d")
    put(trusted, f"/etc/docker/certs.d/{path}", (trusted.work / "ca/ca.crt").read_bytes())
    verdict = judge(trusted, "trust-again")
    assert verdict.status == "failed", verdict
    for command in re.findall("`docker ([^`]+)`", verdict.next):
        docker(*command.replace("ca/ca.crt", f"{trusted.work}/ca/ca.crt", 1).split())
    assert judge(trusted, "trust-again").passed, judge(trusted, "trust-again")
    assert "up to date" in on_host(trusted, "docker", "pull", f"{NAME}/{trusted.image}")


@pytest.mark.parametrize(
    "settings",
    [
        '{"insecure-registries": ["registry.lab:5000"]',
        '{"insecure-registries": "registry.lab:5000"}',
        '{"insecure_registries": ["registry.lab:5000"]}',
    ],
)
def test_settings_that_the_engine_cannot_read_are_to_be_written_again(trusted, settings):
    """To have it read them again would not help."""
    put(trusted, "/etc/docker/daemon.json", settings.encode())
    verdict = judge(trusted, "go-insecure")
    assert verdict.reason == "not-written" and settings in verdict.found
    assert '`{"insecure-registries": ["registry.lab:5000"]}`' in verdict.next
    on_host(trusted, "rm", "/etc/docker/daemon.json")
    assert judge(trusted, "go-insecure").found.endswith("daemon.json` is missing or empty.")


def test_a_pull_that_the_second_host_has_forgotten_could_not_be_checked(trusted, monkeypatch):
    """Its engine forgets what happened when it starts again, and keeps what it pulled."""
    monkeypatch.setattr(second_host, "RESTARTED", 0)
    trusted.engine.restart(trusted["host"])
    SecondHost.of(trusted).wait_for_engine()
    verdict = judge(trusted, "trust-the-ca")
    assert (verdict.status, verdict.reason) == ("unknown", "forgotten")
    assert f"docker exec {trusted['host']} docker pull {NAME}/" in verdict.next
    on_host(trusted, "docker", "pull", f"{NAME}/{trusted.image}")
    assert judge(trusted, "trust-the-ca").passed


def test_an_exception_for_a_range_of_addresses_is_one_and_is_taken_back(trusted):
    on_host(trusted, "rm", "-r", "/etc/docker/certs.d")
    assert judge(trusted, "go-insecure").status == "failed"
    SecondHost.of(trusted).configure({"insecure-registries": ["198.18.0.0/15"]})
    verdict = judge(trusted, "go-insecure")
    assert verdict.found == "The exception is in force, and there was no pull since."
    on_host(trusted, "docker", "pull", f"{NAME}/{trusted.image}")
    assert judge(trusted, "go-insecure").passed
    assert "still an insecure registry" in judge(trusted, "trust-again").found
    SecondHost.of(trusted).configure({"insecure-registries": []})
    assert "has no CA" in judge(trusted, "trust-again").found
    act(trusted, "trust-the-ca")
    assert judge(trusted, "trust-again").passed


def test_a_pull_by_an_exception_that_the_second_host_has_forgotten_could_not_be_checked(
    trusted, monkeypatch
):
    monkeypatch.setattr(second_host, "RESTARTED", 0)
    act(trusted, "go-insecure")
    assert judge(trusted, "go-insecure").passed
    trusted.engine.restart(trusted["host"])
    SecondHost.of(trusted).wait_for_engine()
    verdict = judge(trusted, "go-insecure")
    assert (verdict.status, verdict.reason) == ("unknown", "forgotten")
    act(trusted, "trust-again")
    assert judge(trusted, "trust-again").passed


def test_no_check_passes_on_an_engine_without_a_second_host(workspaces):
    lab = workspaces.open(LAB, "headless")
    for step in LAB.steps:
        verdict = step.judge(lab, f'Get "https://{NAME}/v2/": {ERROR}')
        assert verdict.status == "failed", step.id
        assert f"--name {lab['host']} --network {lab['network']}" in verdict.next


def test_a_second_host_that_ended_is_explained(opened, docker):
    docker("pause", opened["host"])
    assert judge(opened, "start-a-second-host").next == f"`docker unpause {opened['host']}`."
    docker("unpause", opened["host"])
    opened.engine.stop(opened["host"], seconds=1)
    verdict = judge(opened, "start-a-second-host")
    assert f"`{opened['host']}` exited " in verdict.found
    assert verdict.next.startswith(f"`docker start {opened['host']}`."), "it ran, so it has powers"
    opened.engine.start(opened["host"])
    assert eventually(lambda: judge(opened, "start-a-second-host").passed, 20)


def test_the_volume_of_the_second_host_goes_with_it(workspaces, engine):
    lab = workspaces.open(LAB, "headless")
    host = lab.create("docker:dind", name=lab["host"])
    volumes = engine.container(host).volumes
    assert len(volumes) == 1 and engine.volume(volumes[0]) and engine.volume(lab["volume"])
    assert workspaces.close(lab, resources.find_resources(lab)) == []
    assert engine.volume(volumes[0]) is None and engine.volume(lab["volume"]) is None
