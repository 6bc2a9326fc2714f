"""`finish-lab`: what it says of the learner's logins."""

import json

from tests.fixtures.commands import Commands
from tests.fixtures.engine import LAB, LESSON


def test_a_login_to_the_labs_registry_stays_and_is_told_with_its_command(
    course, instance, tmp_path
):
    lab = f'{LAB}\n\nlab.values["password"] = lambda workspace: "secret"\n'
    course({"labs/volumes/lab.py": lab, "lessons/01-volumes.md": LESSON})
    commands, config = Commands(instance, tmp_path / "course"), tmp_path / "config.json"
    for mine in (True, False):
        registry = commands.json("start-lab", "volumes")[1]["registry"]
        logins = {"registry.example": {}, **({registry: {}} if mine else {})}
        config.write_text(json.dumps({"auths": logins}))
        code, out, _ = commands("finish-lab", "volumes", "--yes", DOCKER_CONFIG=str(tmp_path))
        said = f"Your `docker` login for `{registry}` stays; `docker logout {registry}` removes it."
        assert (code, out.splitlines()[1:]) == (0, [said] if mine else [])
        assert json.loads(config.read_text()) == {"auths": logins}
