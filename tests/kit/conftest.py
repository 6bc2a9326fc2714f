"""What the tests of the kit share: an engine, one apt, and a small image that is not built yet."""

import gc

import pytest

from labrunner.engine.engine import Engine
from labrunner.kit import kit as kit_module
from labrunner.kit.builder import Apt
from labrunner.kit.kit import Kit
from tests.fixtures.kit import BUSYBOX, RECIPES_HERE, forget


@pytest.fixture(scope="module")
def engine():
    yield Engine()
    gc.collect()


@pytest.fixture(scope="session")
def shared_apt():
    """One for all kits, so that it reads its lists once."""
    return Apt()


@pytest.fixture(scope="module", autouse=True)
def apt(shared_apt):
    """The same, which every kit here gets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kit_module, "Apt", lambda: shared_apt)
        yield shared_apt


@pytest.fixture
def busybox(engine):
    """A kit of one small image, not built yet."""
    kit = Kit(engine, [BUSYBOX], RECIPES_HERE)
    yield kit
    forget(engine, BUSYBOX)
