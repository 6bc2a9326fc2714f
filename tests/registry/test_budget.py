"""What a look at a registry may take in all: servers whose answers have no end."""

import json
import time
from contextlib import contextmanager
from functools import partial
from itertools import count

import pytest

from labrunner.course.lab import Lab, Step
from labrunner.registry.budget import Budget
from labrunner.registry.client import Registry
from labrunner.registry.errors import BudgetSpent
from labrunner.registry.models import Response
from labrunner.registry.transport import LARGEST
from labrunner.workspaces import workspace as workspace_module
from labrunner.workspaces.record import Record
from labrunner.workspaces.workspace import Workspace
from tests.fixtures.engine import request_of, response, serving


@contextmanager
def answering(body, *, headers="", pause=0.0):
    """A registry that answers everything with one JSON body; its address, and the paths that it was
    asked for. headers: may have the number of the answer in them."""
    asked, numbers, data = [], count(1), json.dumps(body)

    def answer(connection):
        asked.append(request_of(connection).split()[1])
        time.sleep(pause)
        connection.sendall(response(data, headers=headers.format(next(numbers))))

    with serving(answer) as address:
        yield address, asked


def link(page):
    return f'Link: </v2/_catalog?last={page}>; rel="next"\r\n'


ANOTHER = link("{}")  # each page names one that was not there yet
DIGEST = f"sha256:{'1' * 64}"
FULL_PAGE = {"repositories": ["x" * 1000] * 4000}  # close to the largest answer


@pytest.mark.parametrize(
    ("body", "headers", "budget", "words"),
    [
        ({"repositories": ["a"]}, link("a"), {}, "leads back to an earlier page"),
        ({"repositories": ["a"]}, ANOTHER, {"requests": 9}, "takes more than 9 requests"),
        (FULL_PAGE, ANOTHER, {"size": 6_000_000}, "takes more than 6 MB"),
        ({"repositories": ["a"]}, ANOTHER, {"seconds": 0.3}, "takes more than 0.3 seconds"),
        ({"repositories": ["a"] * 300_000}, "", {}, "has more than 100,000 names"),
        ({"repositories": [[]] * 300_000}, "", {}, "takes more than 32 MB of memory"),
    ],
    ids=["a page that repeats", "small pages", "large pages", "pages", "one page", "many parts"],
)
def test_a_list_without_an_end_is_given_up(body, headers, budget, words):
    assert len(json.dumps(body)) < LARGEST
    with answering(body, headers=headers) as (address, asked):
        with pytest.raises(BudgetSpent, match=r"The course stopped reading from .*: ") as given_up:
            Registry(address, budget=Budget(**budget)).repositories()
        assert words in given_up.value.found and given_up.value.next
        assert len(asked) < 1000


def test_an_answer_that_is_slow_is_not_waited_for_beyond_the_budget():
    with answering({"repositories": ["a"]}, headers=ANOTHER, pause=0.2) as (address, asked):
        with pytest.raises(BudgetSpent, match=r"more than 0\.3 seconds"):
            Registry(address, budget=Budget(seconds=0.3)).repositories()
        assert len(asked) <= 2


def test_an_answer_behind_a_byte_order_mark_takes_no_more_memory():
    marked = "\ufeff" + json.dumps({"repositories": [[]] * 300_000})

    def answer(connection):
        request_of(connection)
        connection.sendall(response(marked))

    with serving(answer) as address, pytest.raises(BudgetSpent, match="32 MB of memory"):
        Registry(address).repositories()


def test_an_answer_in_another_coding_than_utf_8_is_no_json():
    assert Response(200, {}, '{"a":1}'.encode("utf-8-sig")).json == {"a": 1}
    assert Response(200, {}, '{"a":1}'.encode("utf-16")).json is None


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (
            {"manifests": [{"digest": DIGEST}, {"digest": DIGEST}]},
            "contain each other without an end",
        ),
        ({"layers": [{"digest": DIGEST, "size": 1}] * 2000}, "has 2,000 layers"),
    ],
    ids=["an index that names itself", "many layers"],
)
def test_a_manifest_without_an_end_is_given_up(manifest, words):
    with answering(manifest) as (address, asked):
        with pytest.raises(BudgetSpent, match=words):
            Registry(address).manifest("box", "latest")
        assert len(asked) < 10


def test_an_index_of_many_images_takes_no_more_than_the_budget():
    index = {"manifests": [{"digest": f"sha256:{number:064}"} for number in range(30_000)]}
    asked = []

    def answer(connection):
        asked.append(request_of(connection).split()[1])
        connection.sendall(response(json.dumps(index if asked[-1].endswith("latest") else {})))

    with serving(answer) as address:
        with pytest.raises(BudgetSpent, match="20 requests"):
            Registry(address, budget=Budget(requests=20)).manifest("box", "latest")
        assert len(asked) == 20


def test_a_first_page_is_read_alone_where_no_more_names_are_wanted():
    with answering({"repositories": ["a", "b"]}, headers=ANOTHER) as (address, asked):
        assert Registry(address).repositories(most=2) == ["a", "b"]
        assert asked == ["/v2/_catalog?n=2"]


def test_a_part_of_a_budget_ends_with_the_whole():
    assert Budget(requests=9).part(3).reached == ""
    assert Budget(seconds=0).part(3).reached
    assert Budget(requests=9).part(0).reached == "0 requests"


@pytest.fixture
def at(tmp_path, engine):
    """A workspace whose registry is at an address; a check of its registry needs nothing else."""

    def make(address):
        record = Record("1", "look", "headless", "open", 0, {}, {"registry": address})
        return Workspace(tmp_path, record, Lab("Look", name="look"), engine)

    return make


def test_a_check_that_finds_no_end_cannot_be_made_whatever_it_asks(at, monkeypatch):
    """The limit is of the check: it does not begin anew with each client that the check makes."""
    monkeypatch.setattr(workspace_module, "Budget", partial(Budget, requests=7))

    def ask(workspace):
        """The goal."""
        while workspace.api.tags("box") is not None:
            workspace.client(login=("ada", "lovelace")).repositories()

    with answering({"tags": ["a"], "repositories": []}) as (address, asked):
        workspace = at(address)
        for times in (1, 2):  # each check has a whole one
            verdict = Step(ask).judge(workspace)
            assert (verdict.status, verdict.reason) == ("unknown", "given-up")
            assert verdict.found.endswith("takes more than 7 requests.") and verdict.next
            assert len(asked) == 7 * times
        assert workspace.api.tags("box") == ["a"]  # and what is no check, one for each client
