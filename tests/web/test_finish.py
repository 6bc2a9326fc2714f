"""Finishing a lab: what is listed, and what is removed."""

import json

from app import create_app
from labrunner.session.services import get_services
from tests.fixtures.engine import close_all
from tests.fixtures.pages import open_workspaces, port_of, text
from tests.fixtures.web import HERE, JSON


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


def test_a_login_to_the_labs_registry_is_told_with_its_command(
    tiny, instance, tmp_path, monkeypatch
):
    source = tiny / "labs/tiny/lab.py"
    source.write_text(source.read_text() + '\n\nlab.values["password"] = lambda ws: "secret"\n')
    app = create_app(tiny, instance, 8000, "x")
    services, browser = get_services(app), app.test_client()
    workspace = services.session(services.course.labs["tiny"]).start(lambda line: None)
    places = [workspace.registry, f"127.0.0.1:{workspace.port}"]
    logins = {place: {} for place in (*places, "localhost:1")}
    (tmp_path / "config.json").write_text(json.dumps({"auths": logins}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    try:
        browser.get("/?token=x", base_url=HERE)
        ways = ("finish", "reset", "steps/say-it/back")
        pages = [browser.get(f"/lessons/tiny/{way}", base_url=HERE).text for way in ways]
    finally:
        close_all(services.workspaces)
    stays = "</code> login for <code>{0}</code> stays; <code>docker logout {0}"
    for page in pages:
        assert all(stays.format(place) in page for place in places)
        assert page.count("docker logout") == 2
