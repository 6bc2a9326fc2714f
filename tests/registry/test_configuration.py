"""The settings that a registry runs with, by its environment and its configuration file."""

import pytest

from labrunner.registry.configuration import Configuration

FILE = """\
version: 0.1
log:
  fields: {service: registry}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem:
    rootdirectory: /data  # not /other
  #  rootdirectory: /old
  maintenance:
    readonly:
      enabled: true
"""


@pytest.mark.parametrize(
    ("environment", "file", "root"),
    [
        ({}, "", "/var/lib/registry"),
        ({}, FILE, "/data"),
        ({}, "storage: {filesystem: {rootdirectory: /data}}", "/data"),
        ({}, 'storage: {"filesystem": {"rootdirectory": "/data"}}', "/data"),
        ({}, "storage:\n  # rootdirectory: /data\n", "/var/lib/registry"),
        ({"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/mine"}, FILE, "/mine"),
        ({"REGISTRY_STORAGE": "{filesystem: {rootdirectory: /mine}}"}, FILE, "/mine"),
        ({"OTHER_ROOTDIRECTORY": "/mine"}, "", "/var/lib/registry"),
        (
            {
                "REGISTRY_STORAGE": "{filesystem: {rootdirectory: /mine}}",
                "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/ours",
            },
            "",
            "/ours",
        ),
    ],
)
def test_where_it_keeps_its_files_is_read_from_the_environment_and_then_from_the_file(
    environment, file, root
):
    assert Configuration(environment, file).root == root


@pytest.mark.parametrize(
    ("environment", "file", "read_only"),
    [
        ({}, "", False),
        ({}, FILE, True),
        ({"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled":true}'}, "", True),
        ({"REGISTRY_STORAGE_MAINTENANCE": "{readonly: {enabled: true}}"}, "", True),
        ({"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled":false}'}, FILE, False),
        ({"REGISTRY_STORAGE_DELETE_ENABLED": "true"}, "", False),
    ],
)
def test_that_it_is_read_only_is_known(environment, file, read_only):
    assert Configuration(environment, file).read_only is read_only


def test_a_cache_of_another_registry_is_known():
    address = {"REGISTRY_PROXY_REMOTEURL": "https://registry-1.docker.io"}
    assert Configuration(address).is_cache
    assert Configuration({}, "proxy:\n  remoteurl: https://registry.example\n").is_cache
    assert not Configuration({}, FILE).is_cache


@pytest.mark.parametrize(
    "file", ["\t- :", "[" * 2000, "- a\n- b", "text", "storage: 5", "a: &a [*a]"]
)
def test_a_file_that_says_nothing_of_it_changes_nothing(file):
    assert Configuration({"REGISTRY_HTTP_ADDR": ":5000"}, file).root == "/var/lib/registry"
    mine = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/mine"}
    assert Configuration(mine, file).root == "/mine"
