"""Errors from a terminal, explained. Their examples stand with the messages, in `entries/`."""

import re
import time
from pathlib import Path

import pytest

from labrunner.decoder.decoder import LIMIT, Finding, decode, generic
from labrunner.decoder.messages import BadMessages, known_messages, load_messages
from tests.fixtures.engine import ROOT

PUSH = """Using default tag: latest
The push refers to repository [localhost:5974/apps/x]
aeffc1d128b9: Preparing
"""
DIGEST = "sha256:569846a993499676807875966246a70e6c98503611fbe20f517de92967a81166"
PUSHED = f"""$ docker push localhost:5971/dec/bb:1
The push refers to repository [localhost:5971/dec/bb]
aeffc1d128b9: Preparing
aeffc1d128b9: Pushed
61bd519a79b8: Layer already exists
1: digest: {DIGEST} size: 528
"""
HEALTHY_LOG = """time="2026-11-23T14:38:57.394214094Z" level=warning msg="No HTTP secret provided \
- generated random secret. This may cause problems with uploads if multiple registries are behind \
a load-balancer." go.version=go1.19.8 instance.id=eae10394 service=registry version=2.8.2+ds1
time="2026-11-23T14:38:24.589006077Z" level=error msg="response completed with error" \
err.code="blob unknown" err.detail="sha256:8ba955066b0c6c7bbba65fcc86ae7e7f00bb07a763f30dd2139aa666\
a6feba50" err.message="blob unknown to registry" go.version=go1.19.8 \
http.request.host="localhost:5971" http.request.method=HEAD http.response.status=404
time="2026-11-23T14:38:24.822915534Z" level=error msg="response completed with error" \
err.code="manifest unknown" err.detail="unknown tag=1" err.message="manifest unknown"
time="2026-11-23T14:38:26.208055912Z" level=error msg="response completed with error" \
err.code="name unknown" err.detail="map[name:none]" err.message="repository name not known to \
registry"
time="2026-11-23T14:38:58.44232155Z" level=warning msg="error authorizing context: basic \
authentication challenge for realm \\"R\\": invalid authorization credential" go.version=go1.19.8
172.17.0.1 - - [23/Nov/2026:14:38:24 +0000] "HEAD /v2/dec/none/manifests/1 HTTP/1.1" 404 91 ""
172.17.0.1 - - [23/Nov/2026:14:38:24 +0000] "GET /v2/ HTTP/1.1" 401 87 "" "docker/20.10.24"
"""
NEAR_MISSES = {
    "a push": PUSHED,
    "a pull": f"""Using default tag: latest
latest: Pulling from my-image
61db5a410682: Already exists
Digest: {DIGEST}
Status: Downloaded newer image for localhost:5000/my-image:latest
""",
    "an announcement": """Unable to find image 'localhost:5000/my-image:latest' locally
latest: Pulling from my-image
Status: Downloaded newer image for localhost:5000/my-image:latest
""",
    "the log of a healthy registry": HEALTHY_LOG,
    "a login": "Login Succeeded\nWARNING! Your credentials are stored unencrypted in '/x'.",
    "a logout": "Removing login credentials for localhost:5974",
    "another 401": '"GET /v2/ HTTP/1.1" 401 Unauthorized',
    "a tag of that name": "localhost:5000/manifest-unknown:no-basic-auth-credentials",
    "the words apart": "The manifest is there. Unknown is the tag. Denied: requested access.",
    "a removed image": f"Untagged: localhost:5000/x:latest\nDeleted: {DIGEST}",
    "an empty catalog": '{"repositories":[]}',
    "a running container": "Container registry is running. Port 5000 is in use by it.",
    "another blob": "ValueError: Unknown blob type: page",
    "nothing": " \n\t",
}


EXAMPLES = [(message, each) for message in known_messages() for each in message.examples]
TEXTS = [example.text for _, example in EXAMPLES]
IDS = [message.id for message, _ in EXAMPLES]


@pytest.mark.parametrize(("message", "example"), EXAMPLES, ids=IDS)
def test_an_example_is_decoded_to_its_message_with_its_values_in_the_advice(message, example):
    findings = decode(example.text)
    assert [finding.message.id for finding in findings] == [message.id]
    assert example.advice in findings[0].next


@pytest.mark.parametrize("text", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_what_is_no_error_is_not_reported(text):
    assert decode(text) == []


LOOK_ALIKES = Path(__file__).with_name("look_alikes.txt").read_text().split("\n---\n")


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_the_same_words_from_another_program_stay_unanswered(text):
    assert decode(text) == []


def runs(words: str) -> set[str]:
    """Return all that stands in a row of twelve letters."""
    return {words[at : at + 12] for at in range(len(words) - 11)}


def test_sixty_texts_of_other_programs_come_near_an_entry():
    patterns = [pattern for message in known_messages() for pattern in message.patterns]
    known = set().union(*(runs(words) for each in patterns for words in fixed_words(each)))
    far = [text for text in LOOK_ALIKES if not known & runs("".join(text.lower().split()))]
    assert far == []
    assert len(set(LOOK_ALIKES)) >= 60


ANYBODYS = [
    ("page-not-found", "$ curl http://localhost:8080/orders\n404 page not found"),
    ("page-not-found", "404 page not found\n"),
    ("unsupported", "HTTP/1.1 405 Method Not Allowed\nServer: gunicorn\nAllow: GET, HEAD"),
    ("unsupported", "HTTP/2 405 Method Not Allowed\ncontent-type: text/html"),
    ("too-many-requests", "HTTP/1.1 429 Too Many Requests\nRetry-After: 60"),
    ("too-many-requests", "E: Failed to fetch http://deb.example/x.deb  429  Too Many Requests"),
    ("curl-not-connected", "curl: (7) Failed to connect to shop.example port 443"),
    ("timed-out", "curl: (28) Connection timed out after 5001 milliseconds"),
    ("wrong-version-number", "curl: (35) error:1408F10B:SSL routines::wrong version number"),
    ("curl-cut-off", "curl: (56) Recv failure: Connection reset by peer"),
    ("curl-does-not-trust", "curl: (60) SSL certificate problem: self-signed certificate"),
    ("certificate-expired", "curl: (60) SSL certificate problem: certificate has expired"),
    ("http-request-to-https-server", "Client sent an HTTP request to an HTTPS server."),
    (
        "connection-cut",
        "redis: read tcp 10.0.0.4:51722->10.0.0.9:6379: read: connection reset by peer",
    ),
    (
        "client-refused-certificate",
        "log.go:9] http: TLS handshake error from 10.0.0.3:512: remote error: tls: bad certificate",
    ),
]


@pytest.mark.parametrize(("id", "text"), ANYBODYS)
def test_words_that_any_program_may_say_are_explained_for_a_registry_on_a_condition(id, text):
    (found,) = decode(text)
    assert found.message.id == id
    assert re.search("[Ii]f this is (?:your|a) registry", f"{found.means} {found.why} {found.next}")


def test_an_option_that_another_program_does_not_know_is_not_said_to_be_docker_s():
    for text in ("Error: unknown flag: --foo", "ERROR: unknown flag: --foo\n"):
        (found,) = decode(text)
        assert found.means == "`--foo` is not an option of this command."
        assert "as in `docker <command> --help`" in found.next


def test_what_another_program_says_hides_nothing_that_docker_says():
    text = f"npm ERR! 401 Unauthorized\n{PUSH}no basic auth credentials\nfatal: unable to access"
    assert [finding.message.id for finding in decode(text)] == ["no-basic-auth"]


@pytest.mark.parametrize("text", TEXTS, ids=IDS)
def test_the_breaks_of_a_narrow_terminal_colours_and_prefixes_change_nothing(text):
    wanted = [(finding.message.id, finding.means, finding.next) for finding in decode(text)]

    def said(changed):
        return [(finding.message.id, finding.means, finding.next) for finding in decode(changed)]

    assert said(text.replace("\n", "\r\n")) == wanted
    assert said(f"\x1b[31mERROR: \x1b[0m\x1b]0;title\x07{text}\x1b[K\r\n") == wanted
    assert said(f"docker: Error response from daemon: {text}") == wanted
    for width in (80, 57):
        lines = [
            line[at : at + width]
            for line in text.splitlines()
            for at in range(0, max(1, len(line)), width)
        ]
        assert [id for id, _, _ in said("\n".join(lines))] == [id for id, _, _ in wanted]


def test_a_name_that_the_terminal_broke_is_put_together():
    (found,) = decode(
        'Head "http://localhost:59\n74/v2/apps/x/manifests/latest": no basic auth cred\nentials'
    )
    assert "`docker login localhost:5974`" in found.next


def test_quotes_that_a_word_processor_made_are_quotes():
    (found,) = decode(
        "Get \u201chttps://192.0.2.7:5000/v2/\u201d: x509: certificate has expired "
        "or is not yet valid"
    )
    assert found.message.id == "certificate-expired"


def test_several_errors_are_reported_once_each_the_most_specific_first():
    text = f"""{PUSH}no basic auth credentials
{PUSH}no basic auth credentials
invalid reference format
invalid reference format: repository name (My-Image) must be lowercase
{HEALTHY_LOG}
"""
    found = [finding.message.id for finding in decode(text)]
    assert found == ["no-basic-auth", "must-be-lowercase", "invalid-reference"]


def test_a_value_comes_from_what_stands_nearest_before_the_error():
    text = f"{PUSHED}{PUSH}no basic auth credentials\n$ docker push localhost:7000/z"
    assert "`docker login localhost:5974`" in decode(text)[0].next
    assert (
        "`docker login localhost:7000`"
        in decode("no basic auth credentials\n" + text[-32:])[0].next
    )


def test_an_earlier_push_is_not_the_one_whose_login_expired():
    text = f"{PUSHED}$ docker push registry.lab:5000/x\nunauthorized: authentication required"
    assert [finding.message.id for finding in decode(text)] == ["authentication-required"]


def test_what_the_text_does_not_tell_is_named():
    (found,) = decode("no basic auth credentials")
    assert "`docker login <registry>`" in found.next


def test_a_value_that_a_shell_would_run_is_left_out():
    text = "login attempt to http://x;reboot/v2/ failed with status: 401 Unauthorized\n{}"
    for evil in ("a;reboot", "$(reboot)", "`reboot`", "a b", "--help;x", "a\u202eb"):
        for line in (f"repository [{evil}/x]", f'reference "{evil}/x"', f"docker push {evil}/x;y"):
            for finding in decode(f"{line}\n{text}\nno basic auth credentials\nmanifest unknown"):
                assert "reboot" not in finding.means + finding.why + finding.next
                assert "\u202e" not in finding.said + finding.next


def test_a_finding_as_an_object_has_all_that_the_page_shows():
    row = decode(f"{PUSH}no basic auth credentials")[0].as_dict()
    assert list(row) == [
        "id",
        "title",
        "said",
        "means",
        "why",
        "causes",
        "next",
        "lesson",
        "page",
    ]
    assert (row["id"], row["lesson"]) == ("no-basic-auth", "a-private-registry")
    assert row["said"] == "no basic auth credentials"
    assert row["page"] == "https://docs.docker.com/reference/cli/docker/login/"


def test_only_the_end_of_a_long_text_is_looked_at():
    assert decode("no basic auth credentials" + " x" * LIMIT) == []
    assert [f.message.id for f in decode("x " * LIMIT + "no basic auth credentials")] == [
        "no-basic-auth"
    ]


def fixed_words(pattern: re.Pattern[str]) -> list[str]:
    """Return the words of a pattern between what varies."""
    pieces = re.split(r"\[[^\]]*\]\{[^}]*\}\??|\(\?(?:P<\w+>|:)|[)?|]", pattern.pattern)
    return ["".join(piece.replace("\\", "").split()) for piece in pieces if piece.strip()]


SEEDS = (
    "a",
    "0",
    '"',
    "'",
    "/",
    ":",
    "\\",
    "(",
    "\x1b[",
    "\x1b]",
    "\u0130",
    "a.",
    "a:",
    "::1:",
    "docker push -a ",
    "https://a/v2/",
    "repository[",
    'err.code="',
    "image'",
)


def seconds(look, seed: str) -> float:
    """Return how long a look at a text takes that repeats the seed without end."""
    text = (seed * (LIMIT // len(seed) + 1))[:LIMIT]
    began = time.process_time()
    look(text)
    return time.process_time() - began


def test_no_text_keeps_the_decoder_long():
    decode("")  # the patterns are made ready
    slowest = max((seconds(decode, seed), seed) for seed in SEEDS)
    assert slowest[0] < 2, slowest


def test_no_text_keeps_a_pattern_long_that_begins_as_its_message_does():
    slowest = (0.0, "")
    for message in known_messages():
        for pattern in message.patterns:
            words = fixed_words(pattern)
            for seed in (words[0], "".join(words), "".join(message.says.lower().split())):
                took = seconds(lambda text, all=pattern.finditer: list(all(text)), seed)
                slowest = max(slowest, (took, f"{message.id}: {seed}"))
    assert slowest[0] < 0.2, slowest


def test_a_message_names_a_lesson_of_the_course():
    slugs = {path.stem[3:] for path in (ROOT / "lessons").glob("*.md")}
    assert {message.lesson for message in known_messages()} <= slugs


GO_TEMPLATE = re.compile(r"\{\{\.[A-Za-z.]+\}\}")


def test_the_message_as_such_shows_no_name_in_braces():
    for message in known_messages():
        shown = generic(message)
        for text in (shown.means, shown.why, shown.next):
            assert "{" not in GO_TEMPLATE.sub("", text).replace("`{}`", "")


GOOD = """
[values]
port = '[0-9]{1,5}'
[parts]
taken = 'port {port} is taken'
[an-error]
title = 'A title'
says = 'port 80 is taken'
means = '''Something has
the port `{port}` of `{registry}`.'''
why = 'A reason.'
next = 'Run `docker ps`.'
lesson = 'names'
page = 'https://docs.docker.com/x'
patterns = ['error: {taken}']
[[an-error.examples]]
text = 'Error: port 80 is taken'
advice = 'docker ps'
"""


def test_a_pattern_is_made_of_shapes_and_a_line_break_in_a_text_is_a_space():
    (message,) = load_messages(GOOD)
    assert message.patterns[0].fullmatch("error:port80istaken")["port"] == "80"
    assert message.means == "Something has the port `{port}` of `{registry}`."


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("[values]", "[values", "This is not TOML: "),
        (
            "[an-error]",
            "[An_error]",
            "`An_error`: write an id with lower-case letters, digits and `-`.",
        ),
        ("[values]", "an-error = 1\n[values]", "This is not TOML: "),
        ("[values]", "other = 1\n[values]", "`other` is not a table: begin it with `[other]`."),
        ("says =", "said =", "`an-error`: there is no `said`. Use causes, examples, lesson"),
        ("title = 'A title'", "", "`an-error`: `title` must be a text."),
        ("'A title'", "'A title.'", "`an-error`: `title` must not end with a full stop."),
        ("'A reason.'", "' '", "`an-error`: `why` must be a text."),
        ("'A reason.'", "7", "`an-error`: `why` must be a text."),
        ("why = 'A reason.'", "", "`an-error`: write one of `why` and `causes`."),
        ("why =", "causes = []\nwhy =", "`an-error`: write one of `why` and `causes`."),
        ("why = 'A reason.'", "causes = ['A']", "`an-error`: a cause is two texts: what it is"),
        ("why = 'A reason.'", "causes = [['A', 'B']]", "`an-error`: `causes[1]` must end with a"),
        ("'A reason.'", "'A reason'", "`an-error`: `why` must end with a full stop."),
        ("docker ps`", "docker ps", "`an-error`: `next` has a backtick without a second one."),
        ("'A reason.'", "'{host}.'", "`an-error`: `why` shows `{host}`, which no pattern finds."),
        ("https:", "http:", "`an-error`: `page` must be an address that begins with `https://`."),
        ("['error: {taken}']", "[]", "`an-error`: `patterns` must be a list with at least one"),
        ("['error: {taken}']", "'x'", "`an-error`: `patterns` must be a list with at least one"),
        ("error: {taken}", "{nothing}", "`an-error`: there is no shape `{nothing}` for `{nothi"),
        ("error: {taken}", "Error", "`an-error`: write the pattern `Error` in lower case"),
        ("error: {taken}", "x.*", "`an-error`: `*` and `+` have no end in `x.*`. Write `{1,99}`."),
        ("error: {taken}", "x{2,}", "`an-error`: `*` and `+` have no end in `x{2,}`."),
        ("error: {taken}", "(x", "`an-error`: `(x` is not a regular expression: missing )"),
        ("advice =", "hint =", "`an-error`: an example has a `text`, an `advice`, and may have a"),
    ],
)
def test_a_bad_entry_is_refused_with_its_name_and_what_is_wrong(old, new, what):
    with pytest.raises(BadMessages) as caught:
        load_messages(GOOD.replace(old, new))
    assert str(caught.value).startswith(what)


def test_a_message_stands_once():
    with pytest.raises(BadMessages, match="not TOML"):
        load_messages(GOOD + "\n[an-error]\n")


def test_several_causes_come_in_their_order_each_with_how_to_tell():
    causes = "causes = [['It is `{port}`.', 'Look.'], ['It is another.', 'Ask.']]"
    (message,) = load_messages(GOOD.replace("why = 'A reason.'", causes))
    finding = Finding(message, "", {"port": "80"})
    assert finding.causes == [("It is `80`.", "Look."), ("It is another.", "Ask.")]
    assert finding.why == "It is `80`. Look. It is another. Ask."
    assert finding.as_dict()["causes"][0] == {"cause": "It is `80`.", "sign": "Look."}


def test_an_entry_with_one_cause_has_no_second_one_in_the_same_sentence():
    alike = {"node-localhost", "not-enough-ids", "keychain-locked", "port-form"}  # one way out
    several = {each.id for each in known_messages() if re.search(r"\bOr\b|, or\b", each.why)}
    assert several == alike


def test_the_words_of_a_message_are_recognised_as_that_message():
    for message in known_messages():
        found = [finding.message.id for finding in decode(message.says.replace("…", " x: "))]
        assert message.id in found, message.id
