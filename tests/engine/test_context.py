"""Which engine the `docker` command uses: the command says it, and the product does the same."""

import hashlib
import json
import os
import shutil
import subprocess

import pytest

from labrunner.engine.connection import EngineDown
from labrunner.engine.context import find_endpoint
from labrunner.engine.engine import Engine
from tests.fixtures.engine import DOCKER, standing_in

VARIABLES = ("HOST", "CONTEXT", "TLS", "TLS_VERIFY", "CERT_PATH")


def ask_docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def add_context(name: str, host: str) -> None:
    ask_docker("--context", "default", "context", "create", name, "--docker", f"host={host}")


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The folder of the client's configuration, and no variable that names an engine."""
    for name in VARIABLES:
        monkeypatch.delenv(f"DOCKER_{name}", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


@pytest.fixture(scope="module")
def two_contexts(tmp_path_factory):
    """A folder with the contexts `one` and `two`, as the command has made them."""
    folder = tmp_path_factory.mktemp("contexts")
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(f"DOCKER_{name}", raising=False)
        patch.setenv("DOCKER_CONFIG", str(folder))
        for name in ("one", "two"):
            add_context(name, f"unix:///nowhere/{name}.sock")
    return folder / "contexts"


@pytest.mark.parametrize(
    ("variables", "settings"),
    [
        ({}, None),
        ({}, ""),
        ({}, "{}"),
        ({}, '{"currentContext": "one"}'),
        ({}, '{"currentContext": "default"}'),
        ({"DOCKER_CONTEXT": "one"}, None),
        ({"DOCKER_CONTEXT": "two"}, '{"currentContext": "one"}'),
        ({"DOCKER_CONTEXT": "two"}, "{broken"),
        ({"DOCKER_CONTEXT": "default"}, '{"currentContext": "one"}'),
        ({"DOCKER_CONTEXT": ""}, '{"currentContext": "one"}'),
        (
            {"DOCKER_HOST": "unix:///nowhere/x", "DOCKER_CONTEXT": "two"},
            '{"currentContext": "one"}',
        ),
        ({"DOCKER_HOST": "localhost:1"}, "{broken"),
        ({"DOCKER_CONFIG": ""}, None),
    ],
)
def test_the_engine_is_the_one_that_the_docker_command_uses(
    config, two_contexts, monkeypatch, variables, settings
):
    home = config.parent / ".docker"
    for folder in (config, home):
        shutil.copytree(two_contexts, folder / "contexts")
    (home / "config.json").write_text('{"currentContext": "two"}')
    monkeypatch.setenv("HOME", str(home.parent))
    if settings is not None:
        (config / "config.json").write_text(settings)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told = ask_docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    assert Engine().address == told.strip()


@pytest.mark.parametrize(
    ("context", "settings", "found", "next"),
    [
        (
            "gone",
            None,
            "The Docker context `gone`, which `DOCKER_CONTEXT` names, does not exist.",
            "Unset `DOCKER_CONTEXT`, or name one that `docker context ls` lists.",
        ),
        (
            "",
            '{"currentContext": "gone"}',
            "The Docker context `gone`, which `{file}` names, does not exist.",
            "Run `docker context use default`, or name one that `docker context ls` lists.",
        ),
        ("", "{broken", "`{file}` cannot be read: Expecting property name", "Fix that file"),
        ("", "[]", "`{file}` cannot be read: it is not a JSON object.", "Fix that file"),
    ],
)
def test_a_context_that_is_unknown_is_said_and_no_other_engine_is_asked(
    config, monkeypatch, context, settings, found, next
):
    monkeypatch.setenv("DOCKER_CONTEXT", context)
    if settings:
        (config / "config.json").write_text(settings)
    for ask in (Engine.info, Engine.containers, lambda engine: engine.address):
        with pytest.raises(EngineDown) as caught:
            ask(Engine())
        assert found.format(file=config / "config.json") in caught.value.found
        assert next in caught.value.next


def test_a_context_that_cannot_be_read_is_said(config, two_contexts, monkeypatch):
    shutil.copytree(two_contexts, config / "contexts")
    monkeypatch.setenv("DOCKER_CONTEXT", "one")
    file = config / "contexts/meta" / hashlib.sha256(b"one").hexdigest() / "meta.json"
    file.write_text("{")
    with pytest.raises(EngineDown, match=f"`{file}` cannot be read: "):
        Engine().containers()


def test_a_context_with_tls_is_reached_with_its_certificates(config, monkeypatch):
    folders = [
        config / "contexts" / kind / hashlib.sha256(b"far").hexdigest() for kind in ("meta", "tls")
    ]
    for folder in folders:
        folder.mkdir(parents=True)
    endpoint = {"Host": "tcp://192.0.2.7:2376", "SkipTLSVerify": False}
    meta = {"Name": "far", "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (folders[0] / "meta.json").write_text(json.dumps(meta))
    certificates = folders[1] / "docker"
    certificates.mkdir()
    for name in ("ca", "cert", "key"):
        (certificates / f"{name}.pem").write_text("")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    found = find_endpoint(os.environ)
    assert (found.address, found.tls.verify) == ("tcp://192.0.2.7:2376", True)
    assert found.tls.ca_cert == str(certificates / "ca.pem")
    assert found.tls.cert == (str(certificates / "cert.pem"), str(certificates / "key.pem"))
    assert Engine().remote_host == "192.0.2.7"


def test_after_docker_context_use_the_other_engine_is_asked(config, tmp_path):
    engine = Engine(timeout=5)
    for name in ("20.10.1", "20.10.2"):
        add_context(name, f"unix://{tmp_path}/{name}")
    for name in ("20.10.1", "20.10.2"):
        ask_docker("context", "use", name)
        with standing_in(tmp_path / name, {"/version": {**DOCKER, "Version": name}}):
            assert engine.version().version == name
