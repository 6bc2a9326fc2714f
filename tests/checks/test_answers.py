"""What the labs' messages have in common."""

import pytest

from labrunner import NotYet, digest_in, last_line, last_word, listed, short, sizes_in

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "answer",
    [
        f"sha256:{HEX}",
        HEX,
        f"localhost:5000/team/app@sha256:{HEX}",
        f"latest: digest: SHA256:{HEX.upper()} size: 735",
        f"sha256:{HEX}\nsha256:{HEX}\n",
    ],
)
def test_the_one_digest_of_an_answer_is_found(answer):
    assert digest_in(answer, expected="It.", next="Go on.") == f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("latest", "does not have a digest"),
        (f"sha256:{HEX[:-1]}", "does not have a digest"),
        (f"sha256:{HEX}0", "does not have a digest"),
        (f"{HEX} {HEX[::-1]}", "more than one digest"),
    ],
)
def test_none_and_several_are_told_apart(answer, found):
    with pytest.raises(NotYet) as wrong:
        digest_in(answer, expected="It.", next="Go on.")
    verdict = wrong.value.verdict("The goal.", str)
    assert (verdict.expected, verdict.next) == ("It.", "Go on.") and found in verdict.found
    assert verdict.reason == ("several-digests" if "more" in found else "no-digest")


@pytest.mark.parametrize(
    ("answer", "sizes"),
    [
        ("3,136", [3136 * 1024, 3136, 3136 * 10**6]),
        ("3136 kB", [3136 * 1024]),
        ("3136KiB", [3136 * 1024]),
        ("3136 kilobytes", [3136 * 1024]),
        ("3.2 MB", [3_200_000]),
        ("3211264 bytes", [3_211_264]),
    ],
)
def test_a_size_is_a_number_with_a_unit_or_may_be_of_several(answer, sizes):
    assert sizes_in(answer, next="Go on.") == sizes


@pytest.mark.parametrize(
    "answer",
    ["7480 4344", "7480 - 4344", "7480\t/var/lib/registry", "about 3136", "3136 GB", "-1", "kB"],
)
def test_several_numbers_and_other_text_are_no_size(answer):
    with pytest.raises(NotYet) as wrong:
        sizes_in(answer, next="Go on.")
    verdict = wrong.value.verdict("The goal.", str)
    assert (verdict.reason, verdict.next) == ("no-size", "Go on.")
    assert verdict.found == "Your answer is not one number, with or without a unit."


@pytest.mark.parametrize(
    ("answer", "line", "word"),
    [
        ("  'busybox:stable'\n", "busybox:stable", "busybox:stable"),
        ("Untagged: nothing\r\nlatest\r\n", "latest", "latest"),
        ("It is `docker.io`.", "It is `docker.io`.", "docker.io"),
        ('"one", "two",', 'one", "two",', "two"),
        ("``", "", ""),
        ("", "", ""),
        ("x" * 1000, "x" * 200, "x" * 200),
    ],
)
def test_an_answer_is_read_without_what_was_copied_with_it(answer, line, word):
    assert (last_line(answer), last_word(answer)) == (line, word)


def test_digests_and_ids_are_shown_by_their_beginning():
    assert short(f"sha256:{HEX}") == "`sha256:0123456789ab…`"
    assert short(HEX) == "`0123456789ab…`"


def test_names_are_listed_as_code():
    assert listed(["a"]) == "`a`" and listed(["a", "b"]) == "`a` and `b`"
