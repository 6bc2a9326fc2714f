"""What is secret on disk: the key that cookies are signed with, and the folder that it is in."""

import resource
import stat

import pytest

from app import create_app
from labrunner.web.security.secret import SIZE, load_secret, renew_secret
from tests.fixtures.web import TOKEN


def test_the_key_is_the_same_at_each_start_and_only_ours_to_read(tmp_path):
    first = load_secret(tmp_path / "instance")
    assert len(first) == SIZE and load_secret(tmp_path / "instance") == first
    assert (tmp_path / "instance" / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("stored", [b"", b"short"])
def test_a_key_that_was_cut_short_is_replaced(tmp_path, stored):
    (tmp_path / "secret").write_bytes(stored)
    new = load_secret(tmp_path)
    assert len(new) == SIZE and (tmp_path / "secret").read_bytes() == new


def test_a_key_that_is_renewed_is_the_one_of_the_next_start(tmp_path):
    old, new = load_secret(tmp_path), renew_secret(tmp_path)
    assert new != old and load_secret(tmp_path) == new


def test_a_key_that_cannot_be_stored_whole_leaves_nothing_behind(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE - 1, hard))  # stands in for a full disk
    try:
        with pytest.raises(OSError):
            load_secret(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_what_is_secret_on_disk_is_for_the_learner_alone(site):
    assert stat.S_IMODE((site.instance / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(site.instance.stat().st_mode) == 0o700


def test_an_instance_that_others_may_read_is_closed_to_them(tiny, instance):
    instance.mkdir(mode=0o755)
    create_app(tiny, instance, 8000, TOKEN)
    assert stat.S_IMODE(instance.stat().st_mode) == 0o700


def test_a_command_makes_an_instance_for_the_learner_alone(commands, instance):
    assert commands("check-lab", "push-and-pull")[0] == 2  # not started
    assert stat.S_IMODE(instance.stat().st_mode) == 0o700
