"""Lab 2: the questions that may be asked, the answers to them, and the name that is given."""

import re
import subprocess

import pytest

from labrunner import language, parse
from labrunner.course import loader
from labrunner.course.lesson import fill
from labrunner.language import translated
from labrunner.text import prose
from labrunner.workspaces.record import Record
from labrunner.workspaces.workspace import Workspace
from tests.fixtures.engine import ROOT
from tests.fixtures.languages import MARKING, Unmarked

COURSE = loader.load_course(ROOT)
LAB = COURSE.labs["name-that-image"]
QUESTIONS = [step for step in LAB.steps if step.takes_answer]
DIGEST = "sha256:" + "0123456789abcdef" * 4
VALUES = {
    "official": "nginx",
    "four_names": "localhost/shop:1.0 birch1:5000/mail birch2/shop.web:5000 birch3.web/blog:2.1",
    "hosted_name": "localhost:5000/web/shop:1.0",
    "owned_name": "europe-west3-docker.pkg.dev/birch1/releases/shop:1.0",
    "cloud_names": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/web/shop:1.0 "
    "birch2.azurecr.io/data/mail:2.0 europe-west3-docker.pkg.dev/birch3/releases/blog:3.0",
    "long_name": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/web/shop:1.0",
    "tagged_name": "localhost:5123/web/shop",
    "pinned_name": f"ghcr.io/birch1/shop:1.0@{DIGEST}",
}
OTHER_NAME = {"tagged_name": "localhost:5123/web/shop:3.1"}
CLOUD_NAME = {"hosted_name": VALUES["long_name"]}


@pytest.fixture
def ask(tmp_path, engine):
    """A workspace that asks these questions; for answers it needs nothing on the engine."""

    def make(values=None):
        given = {"registry": "localhost:5123", "port": "5123", "image": "my-image"}
        record = Record("1", LAB.name, "headless", "open", 0, {}, {**given, **(values or {})})
        workspace = Workspace(tmp_path, record, LAB, engine)
        if values is None:
            for name, invent in LAB.values.items():
                record.values[name] = invent(workspace)
        return workspace

    return make


def test_every_question_that_may_be_asked_has_its_answer_and_names_its_mistakes(ask):
    for _ in range(100):
        workspace = ask()
        for step in QUESTIONS:
            assert step.solve
            right = step.judge(workspace, str(step.solve(workspace)))
            assert right.passed, (step.id, workspace.record.values, right)
            for mistake in step.mistakes:
                verdict = step.judge(workspace, str(mistake.make(workspace)))
                assert verdict.status == "failed", (step.id, mistake.name, workspace.record.values)
                assert workspace.fill(mistake.advice) in verdict.next
                assert mistake.reason == verdict.reason


def test_every_verdict_can_be_translated(ask, marking):
    for _ in range(20):
        workspace = ask()
        for step in QUESTIONS:
            acts = filter(None, [step.solve, *(mistake.make for mistake in step.mistakes)])
            verdicts = [step.judge(workspace, str(act(workspace))) for act in acts]
            for said in (each for verdict in verdicts for each in verdict.as_dict().values()):
                if said and said not in ("passed", "failed"):
                    with language.speaking(MARKING):
                        shown = translated(said)
                    assert Unmarked(str(prose(shown))).found == [], shown


def test_the_commands_of_the_page_answer_every_question_that_needs_no_engine(ask):
    lesson = COURSE.lesson_of(LAB.name)
    for _ in range(20):
        workspace = ask()
        for step in QUESTIONS:
            code = fill(lesson.blocks_of(step.id)[-1].code, workspace.record.values)
            if "docker image" in code:
                continue
            said = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
            assert step.judge(workspace, said.stdout).passed, (code, said.stdout)


def test_all_services_are_asked_about_and_tags_are_left_out_now_and_then(ask):
    asked = [ask() for _ in range(150)]
    services = {parse(each["hosted_name"]).registry.partition(".")[2] for each in asked}
    assert {"io", "dkr.ecr.eu-central-1.amazonaws.com", "azurecr.io", "pkg.dev", ""} <= services
    assert {parse(each["tagged_name"]).tag is None for each in asked} == {True, False}
    assert len({each["pinned_name"] for each in asked}) == len(asked)


def test_every_learner_takes_a_name_of_each_cloud_apart(ask):
    clouds = {"amazonaws.com", "azurecr.io", "pkg.dev"}
    orders = set()
    for _ in range(50):
        hosts = [parse(name).registry for name in ask()["cloud_names"].split()]
        orders.add(tuple(end for host in hosts for end in clouds if host.endswith(end)))
    assert {frozenset(each) for each in orders} == {frozenset(clouds)} and len(orders) > 1


def test_no_advice_has_a_command_that_computes_the_answer(ask):
    """It is in the hint, for those who want it."""
    for step in QUESTIONS:
        for answer in ("", "nonsense", *(str(each.make(ask(VALUES))) for each in step.mistakes)):
            advice = step.judge(ask(VALUES), answer).next
            assert advice and not re.search(r"`(echo|docker|printf) ", advice), (step.id, advice)


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("complete-a-short-name", "'docker.io/library/nginx:latest'"),
        ("complete-a-short-name", "index.docker.io/library/nginx:latest"),
        ("find-the-one-on-docker-hub", "birch2/shop.web:5000"),
        ("find-the-one-on-docker-hub", "docker.io/birch2/shop.web:5000"),
        ("find-the-registry", "`localhost:5000`"),
        ("find-the-registry", "LocalHost:5000/"),
        ("find-the-account", " birch1 "),
        ("take-three-clouds-apart", "123456789012\nbirch2\nbirch3\n"),
        ("take-three-clouds-apart", "`birch3`, `birch2`, `123456789012`"),
        ("find-the-repository", "/web/shop"),
        ("find-the-tag", "Untagged: nothing\nlatest"),
        ("find-the-tag", ":latest"),
        ("find-the-digest", DIGEST),
        ("find-the-digest", f"@{DIGEST}"),
        ("find-the-digest", DIGEST[7:]),
        ("find-the-digest", DIGEST.upper()),
        ("find-the-digest", f"`{DIGEST}`"),
        ("find-the-digest", f"digest: {DIGEST}"),
        ("find-the-digest", f"ghcr.io/birch1/shop@{DIGEST}"),
    ],
)
def test_an_answer_is_right_however_it_was_copied(ask, step, answer):
    assert LAB.find(step).judge(ask(VALUES), answer).passed


@pytest.mark.parametrize(
    ("step", "answer", "words", "values"),
    [
        ("complete-a-short-name", "nginx/nginx", "an account `nginx`", {}),
        ("complete-a-short-name", "nginx:latest", "leaves out the registry and the account.", {}),
        ("complete-a-short-name", "docker.io/library/nginx", "leaves out the tag.", {}),
        ("complete-a-short-name", "library/nginx:latest", "leaves out the registry.", {}),
        ("complete-a-short-name", "docker.io/nginx:latest", "leaves out the account.", {}),
        ("complete-a-short-name", "https://docker.io/library/nginx:latest", "web addresses", {}),
        ("complete-a-short-name", "docker.io/library/Nginx:latest", "capital letters", {}),
        ("complete-a-short-name", "docker.io/library/redis:latest", "is another image", {}),
        ("complete-a-short-name", "'", "The name is empty", {}),
        ("find-the-one-on-docker-hub", "localhost/shop:1.0", "always a registry", {}),
        ("find-the-one-on-docker-hub", "birch1:5000/mail", "a colon before its first slash", {}),
        ("find-the-one-on-docker-hub", "birch3.web/blog:2.1", "a dot before its first slash", {}),
        ("find-the-one-on-docker-hub", "nginx", "not one of the four", {}),
        ("find-the-registry", "localhost", "lacks the port", {}),
        ("find-the-registry", "http://localhost:5000", "no `https://`", {}),
        ("find-the-registry", "localhost:5000/web", "goes on after the first slash", {}),
        ("find-the-registry", "docker.io", "is not in the name", {}),
        ("find-the-registry", "amazonaws.com", "only the end of the host", CLOUD_NAME),
        ("find-the-registry", "web", "only one part of the repository", CLOUD_NAME),
        ("find-the-account", "releases", "Artifact Registry calls `releases` the repository", {}),
        ("find-the-account", "birch1/releases/shop", "is the repository", {}),
        ("find-the-account", "europe-west3-docker.pkg.dev", "is the registry", {}),
        ("find-the-account", "library", "is not in the name", {}),
        ("take-three-clouds-apart", "123456789012 birch3", "the owner of `birch2.azurecr.io/", {}),
        ("take-three-clouds-apart", "123456789012 data birch3", "`data` is only one part", {}),
        ("take-three-clouds-apart", "birch2 birch3 eu-central-1", "a piece of the registry", {}),
        ("take-three-clouds-apart", "123456789012 birch2 releases", "`releases` is only one", {}),
        ("take-three-clouds-apart", "123456789012 birch1 birch2 birch3", "more than three", {}),
        ("find-the-repository", "shop", "only one part of the repository", {}),
        ("find-the-repository", "web/shop:1.0", "it has the repository, and the tag.", {}),
        ("find-the-repository", "com/web/sh", "of the registry, and a piece of the rep", {}),
        ("find-the-repository", "eb/sh", "is only a piece of the repository.", {}),
        ("find-the-repository", "web/shop:", "the repository, with a sign too many.", {}),
        ("find-the-repository", ":", "only a sign between two parts", {}),
        ("find-the-repository", VALUES["long_name"], "is the full name", {}),
        ("find-the-tag", "5123", "`5123` is a port", {}),
        ("find-the-tag", "5123/web/shop", "`5123` is a port", {}),
        ("find-the-tag", "none", "means one all the same, but not `none`", {}),
        ("find-the-tag", "none", "`none` is not in the name", OTHER_NAME),
        ("find-the-tag", "shop:latest", "a piece of the repository, and the tag", {}),
        ("find-the-tag", "latest", "only where no tag is written", OTHER_NAME),
        ("find-the-tag", "shop:3.1", "a piece of the repository, and the tag", OTHER_NAME),
        ("find-the-digest", "1.0", "is the tag", {}),
        ("find-the-digest", DIGEST[7:-1], "a piece of the digest", {}),
        ("find-the-digest", f"{DIGEST[7:-1]}0", "is not in the name", {}),
        ("find-the-digest", DIGEST[:19], "a piece of the digest", {}),
        ("find-the-digest", VALUES["pinned_name"], "is the full name", {}),
    ],
)
def test_a_near_miss_is_named(ask, step, answer, words, values):
    verdict = LAB.find(step).judge(ask({**VALUES, **values}), answer)
    assert verdict.status == "failed" and words in verdict.found, verdict


def test_no_verdict_tells_the_answer_to_who_gave_another(ask):
    """But for a part of it that the learner has typed, or the question says."""
    for values in (VALUES, {**VALUES, **OTHER_NAME}, {**VALUES, **CLOUD_NAME}):
        workspace = ask(values)
        for step in QUESTIONS:
            assert step.solve
            right = str(step.solve(workspace))
            for answer in ("none", "shop", ":", "x/y:z", "1.0"):
                said = step.judge(workspace, answer)
                told = f"{said.found} {said.next}"
                for asked in (answer, *workspace.record.values.values()):
                    told = told.replace(f"`{asked}`", "")
                assert said.passed or f"`{right}`" not in told, (step.id, answer, said)


def test_an_endless_answer_is_cut(ask):
    verdict = LAB.find("find-the-tag").judge(ask(VALUES), "x" * 100_000)
    assert verdict.status == "failed" and len(str(verdict.found)) < 300


# The image's own name


@pytest.fixture
def opened(workspaces):
    return workspaces.open(LAB, "headless")


def judge(workspace):
    return LAB.find("tag-your-image").judge(workspace)


def test_the_name_is_right_by_either_host(opened, docker, engine):
    for host in ("localhost", "127.0.0.1"):
        name = f"{host}:{opened.port}/team/{opened.image}:1.0"
        assert judge(opened).found == "Your image does not have that name."
        docker("image", "tag", opened.image, name)
        assert judge(opened).passed
        engine.remove_image(name)


def test_the_name_that_the_step_before_gave_is_no_slip(opened, docker):
    docker("image", "tag", opened.image, opened["tagged_name"])
    assert judge(opened).found == "Your image does not have that name."


def test_a_slip_in_the_name_is_named(opened, docker, engine):
    for name, words in (
        ("team/{image}:1.0", "names no registry, so it means Docker Hub"),
        ("{image}/{image}:1.0", "names no registry, so it means Docker Hub"),
        ("localhost:1/team/{image}:1.0", "is for the registry `localhost:1`"),
        ("{image}:{port}", "where `{port}` is a tag, not a port"),
        ("{registry}/{image}:1.0", "its repository is `{image}`"),
        ("{registry}/team/{image}:1.0.0", "its tag is `1.0.0`, not `1.0`"),
    ):
        wrong = opened.fill(name)
        docker("image", "tag", opened.image, wrong)
        verdict = judge(opened)
        engine.remove_image(wrong)
        assert f"Your image has the name `{wrong}`" in verdict.found
        assert opened.fill(words) in verdict.found
        assert opened.fill("`docker image tag {image} {registry}/team/{image}:1.0`") in verdict.next


def test_an_image_that_was_removed_is_built_again_at_the_next_start(opened, engine):
    engine.remove_image(f"{opened.image}:latest")
    verdict = judge(opened)
    assert "no longer has the image" in verdict.found and "Start the lab again" in verdict.next


def test_the_part_of_a_name_that_differs_from_the_task_is_named(opened, docker, engine):
    """Nearest to one of the two places that the image has no name for yet; never the right part."""
    hub = "{account}/{image}:2.0"
    for names, words in (
        (("{image}:2.0",), "the repository."),
        (("{account}/{image}:1.0",), "the tag."),
        (("{host}:8443/{image}",), "the repository."),
        (("{host}:8443/tools/{image}:2.0",), "the tag."),
        ((hub, "{host}/tools/{image}"), "the registry, and the repository."),
        ((hub, "{host}:844/tools/{image}:1"), "the registry, and the tag."),
    ):
        given = [opened.fill(name) for name in names]
        for name in given:
            docker("image", "tag", opened.image, name)
        verdict = LAB.find("name-it-for-two-places").judge(opened)
        for name in given:
            engine.remove_image(parse(name).canonical)
        assert verdict.reason == "misnamed"
        assert verdict.found.endswith(f"What differs from the task: {words}")
        place = "The registry comes first" if "host" in names[-1] else "A name on Docker Hub"
        assert verdict.next.startswith(place)
