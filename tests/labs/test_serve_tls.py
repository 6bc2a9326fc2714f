"""The lab in which a registry gets its certificate, done in other ways and in other wrong ways than
the lab's own."""

import re
import shlex
import shutil
import subprocess

import pytest

from labrunner.checks import history
from labrunner.course import loader
from tests.fixtures.certificates import TLS, certify
from tests.fixtures.engine import ROOT, eventually
from tests.fixtures.workspaces import act, judge

LAB = loader.load_course(ROOT).labs["serve-tls"]
ERROR = "http: server gave HTTP response to HTTPS client"


@pytest.fixture(scope="module")
def opened_once(shared_workspaces):
    workspace = shared_workspaces.open(LAB, "headless")
    act(workspace, "give-it-an-address")
    return workspace


@pytest.fixture
def opened(opened_once):
    """A workspace with a registry that has an address, and with no certificate in its folder."""
    for name in ("ca", "certs"):
        shutil.rmtree(opened_once.work / name, ignore_errors=True)
    return opened_once


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder for certificates of one CA."""
    return tmp_path_factory.mktemp("certificates")


def serve(workspace, folder, **settings):
    """Run the registry with the certificate in this folder."""
    workspace.run_registry(
        network=workspace["network"],
        volumes={"/certs:ro": str(folder), "/var/lib/registry": workspace["volume"]},
        environment={**dict(each.split("=") for each in TLS[1::2]), **settings},
    )


def test_a_network_that_is_missing_or_has_no_address_to_give_is_part_of_the_advice(opened, docker):
    """The advice is followed as it stands, without the first command and with it."""
    network = opened["network"]
    docker("rm", "-f", opened.name)
    docker("network", "rm", network)
    verdict = judge(opened, "give-it-an-address")
    assert f"Start one: `docker network create --subnet {opened['subnet']} " in verdict.next
    docker("network", "create", network)
    verdict = judge(opened, "give-it-an-address")
    assert f"Start one: `docker network rm {network}`" in verdict.next
    docker(*shlex.split(re.findall("`docker ([^`]+)`", verdict.next)[-1]), fails=True)
    verdict = judge(opened, "give-it-an-address")
    assert verdict.reason == "start-failed", verdict
    for command in re.findall("`docker ([^`]+)`", verdict.next):
        docker(*shlex.split(command))
    opened.wait_for_registry()
    assert judge(opened, "give-it-an-address").passed
    docker("rm", "-f", "-v", opened.name)
    docker("network", "rm", network)
    act(opened, "give-it-an-address")


def test_names_addresses_and_files_of_ones_own_are_as_good(workspaces, docker, unique, tmp_path):
    """Another network without a subnet, other names, RSA keys, and all files in another folder."""
    lab = workspaces.open(LAB, "headless")
    network, port = f"{unique}-net", f"127.0.0.1:{lab.port}:5000"
    name = f"127.0.0.1:{lab.port}/{lab.image}"
    registry = ("run", "-d", "-p", port, "--network", network, "-v", f"{unique}:/var/lib/registry")
    docker("network", "create", network)
    docker("volume", "create", unique)
    first = docker(*registry, "registry:2")
    lab.wait_for_registry()
    docker("tag", lab.image, name)
    docker("push", name)
    assert judge(lab, "give-it-an-address").passed, judge(lab, "give-it-an-address")

    at = lab.engine.container(first).addresses[network]
    error = docker("pull", f"{at}:5000/{lab.image}", fails=True)
    assert judge(lab, "meet-the-error", error).passed, judge(lab, "meet-the-error", error)

    certify(tmp_path, f"DNS:Registry.LAB,IP:{at}")
    verdict = judge(lab, "sign-a-certificate")
    assert verdict.reason == "no-file" and f"in `{lab.work}`" in verdict.found
    docker("rm", "-f", first)
    second = docker(*registry, "-v", f"{tmp_path}:/certs:ro", *TLS, "registry:2")
    lab.wait_for_registry()
    verdict = judge(lab, "serve-tls")
    assert verdict.passed, verdict
    assert verdict.proves == ("make-a-ca", "sign-a-certificate")

    docker("pull", name)
    assert judge(lab, "pull-over-localhost").passed, judge(lab, "pull-over-localhost")

    certify(tmp_path, f"DNS:registry.lab,DNS:localhost,IP:{at},IP:127.0.0.1")
    assert judge(lab, "add-a-name").reason == "other-names"
    docker("restart", "-t", "0", second)
    assert eventually(lambda: judge(lab, "add-a-name").passed, 20), judge(lab, "add-a-name")
    assert judge(lab, "serve-tls").passed and judge(lab, "pull-over-localhost").passed


def test_a_certificate_that_signed_itself_is_replaced_by_what_the_verdict_says(opened):
    """There is neither a CA nor a request that could be signed."""
    for name in ("ca", "certs"):
        (opened.work / name).mkdir()
    names = opened.fill("subjectAltName=DNS:registry.lab,IP:{address}")
    sign = f"""
        rm -f registry.csr
        openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=registry.lab -addext {names} \\
            -keyout certs/registry.key -out certs/registry.crt
    """
    shell = {"cwd": opened.work, "check": True, "capture_output": True}
    subprocess.run(["sh", "-ec", sign], **shell)
    verdict = judge(opened, "sign-a-certificate")
    assert verdict.reason == "other-ca", verdict
    for command in re.findall("`([^`]+)`", verdict.next):
        subprocess.run(["sh", "-ec", command], **shell)
    assert judge(opened, "sign-a-certificate").passed


def test_a_registry_that_wants_a_certificate_of_its_clients_is_as_good(opened, tmp_path):
    certify(tmp_path, f"DNS:registry.lab,IP:{opened['address']}")
    serve(opened, tmp_path, REGISTRY_HTTP_TLS_CLIENTCAS="[/certs/ca.crt]")
    assert eventually(lambda: opened.api.certificate())
    assert judge(opened, "serve-tls").passed, judge(opened, "serve-tls")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (f'Get "https://registry.example/v2/": {ERROR}', "is about `registry.example`"),
        (f"Error response from daemon: {ERROR}", "does not say which registry"),
        ('Get "https://198.18.0.2:5001/v2/": dial tcp: connect: connection refused', "port is"),
        ("x509: certificate signed by unknown authority", "speaks TLS already"),
        ("Status: Downloaded newer image for localhost:5000/my-image:latest", "pull worked"),
        ("pull access denied for my-image, repository does not exist", "Docker Hub was asked"),
        ("I do not know", "not the expected error. Your answer: `I do not know`"),
    ],
)
def test_another_error_is_told_from_the_one_that_was_meant(opened, answer, words):
    verdict = judge(opened, "meet-the-error", answer)
    assert verdict.status == "failed" and words in verdict.found
    assert f"`docker pull {opened['address']}:5000/{opened.image}`" in verdict.next


@pytest.mark.parametrize("place", ["{address}:5000", "192.0.2.1:{port}", "my-host:{port}"])
def test_the_error_counts_by_any_address_and_in_the_words_of_a_newer_engine(opened, place):
    url = opened.fill(f"https://{place}/v2/my-image/manifests/latest")
    assert judge(opened, "meet-the-error", f'failed to do request: Head "{url}": {ERROR}').passed


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        ("DNS:registry.lab,DNS:{address}", "30", "has `{address}` as `DNS:`"),
        ("DNS:registry.lab,IP:198.18.255.9", "30", "but not for `{address}`"),
        ("DNS:registry.labs,IP:{address}", "30", "`registry.labs`, `{address}`, but not for `reg"),
        ("DNS:registry.lab,IP:{address}", "0", "It expired at"),
    ],
)
def test_each_fault_of_a_certificate_is_named(opened, certificates, names, days, words):
    certify(certificates, opened.fill(names), days)
    serve(opened, certificates)
    # With no day, it ends in the second in which it was made.
    assert eventually(lambda: opened.fill(words) in judge(opened, "serve-tls").found)
    verdict = judge(opened, "serve-tls")
    assert verdict.status == "failed"
    assert opened.fill("subjectAltName=DNS:registry.lab,IP:{address} > san.ext") in verdict.next


def test_a_registry_that_was_given_another_certificate_is_created_again(opened, certificates):
    """A restart would have it read that one again."""
    act(opened, "sign-a-certificate")
    certify(certificates, "DNS:registry")
    serve(opened, certificates)
    assert eventually(lambda: judge(opened, "serve-tls").reason == "other-file")
    assert f'-v "{opened.work}/certs:/certs:ro"' in judge(opened, "serve-tls").next


def test_an_image_that_the_new_container_does_not_have_is_pushed_before_it_is_pulled(opened):
    act(opened, "sign-a-certificate")
    tls = dict(each.split("=") for each in TLS[1::2])
    volumes = {"/certs:ro": str(opened.work / "certs")}
    opened.run_registry(network=opened["network"], volumes=volumes, environment=tls)
    assert eventually(lambda: judge(opened, "serve-tls").passed)
    verdict = judge(opened, "pull-over-localhost")
    assert verdict.reason == "not-pushed"
    assert f"`docker push {opened.registry}/{opened.image}`" in verdict.next


def test_a_pull_that_the_engine_has_forgotten_could_not_be_checked(opened, engine, unique):
    def fill_its_memory():
        for _ in range(history.REMEMBERED):
            engine.tag("busybox:stable", f"{unique}:1")
        engine.remove_image(f"{unique}:1")

    act(opened, "sign-a-certificate")
    fill_its_memory()
    act(opened, "serve-tls")
    assert judge(opened, "pull-over-localhost").reason == "not-pulled"
    fill_its_memory()
    verdict = judge(opened, "pull-over-localhost")
    assert (verdict.status, verdict.reason) == ("unknown", "forgotten")
    assert f"`docker pull {opened.registry}/{opened.image}`" in verdict.next
    act(opened, "pull-over-localhost")
    assert judge(opened, "pull-over-localhost").passed
