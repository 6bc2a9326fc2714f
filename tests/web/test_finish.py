"""Finishing a lab: what is listed, and what is removed."""

from tests.fixtures.pages import open_workspaces, port_of, text
from tests.fixtures.web import JSON


def test_finishing_lists_what_goes_with_the_reason_and_removes_only_what_is_ticked(
    visitor, engine, docker
):
    port = f"{port_of(visitor)}:5000"
    ours = docker("run", "-d", "-p", port, "registry:2")
    doubtful = [docker("create", "-p", port, "registry:2") for _ in range(2)]
    names = {each: engine.container(each).name for each in (ours, *doubtful)}
    asked = visitor.get("/lessons/tiny/finish")
    assert f'value="{ours}" checked' in asked.text
    assert f"container {names[ours]} it is on your registry's port" in text(asked)
    assert "These may not be the lab's, so they stay." in text(asked)
    for each in doubtful:
        assert f'value="{each}">' in asked.text
        why = "it asks for your registry's port, but never had it"
        assert f"container {names[each]} {why}" in text(asked)
    listed = visitor.get("/lessons/tiny/finish", headers=JSON).json()["belongings"]
    assert {each["id"]: each["certain"] for each in listed}.items() >= {
        (ours, True),
        *((each, False) for each in doubtful),
    }
    assert visitor.submit("/lessons/tiny/finish", {"item": [doubtful[0]]}).ok
    assert engine.container(doubtful[0]) is None
    assert engine.container(doubtful[1]) and engine.container(ours)


def test_what_cannot_be_removed_is_listed_and_the_lab_stays_open(
    started_site, visitor, docker, unique
):
    port = port_of(visitor)
    docker("create", "-p", f"{port}:5000", "-v", f"{unique}:/x", "--name", unique, "registry:2")
    visitor.submit("/lessons/tiny/check")
    answer = visitor.submit("/lessons/tiny/finish", {"item": [unique]})  # a volume in use
    assert answer.status_code == 409
    assert f"The volume {unique}:" in text(answer) and "volume is in use" in text(answer)
    assert len(open_workspaces(started_site)) == 1
    docker("rm", "-v", unique)
    docker("volume", "rm", unique)
