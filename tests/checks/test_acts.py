"""Acts that are declared with texts, and done in a workspace."""

from types import SimpleNamespace

from labrunner import act, push_as, tag_as


def workspace(done):
    return SimpleNamespace(
        sample="sha256:5a",
        fill=lambda text: text.replace("{registry}", "localhost:5001"),
        tag=lambda *given: done.append(("tag", *given)),
        push_as=lambda *given: done.append(("push", *given)),
    )


def test_an_act_is_done_with_the_workspaces_values_in_its_texts_and_nothing_else_touched():
    done = []

    @act
    def note(workspace, *given, **named):
        done.append((given, named))

    do = note("{registry}/x", 5, ["{registry}"], at="{registry}", of=None)
    assert done == []
    do(workspace([]))
    assert done == [(("localhost:5001/x", 5, ["{registry}"]), {"at": "localhost:5001", "of": None})]
    assert note.__name__ == "note"


def test_the_sample_image_is_named_where_no_other_is():
    done = []
    for each in (tag_as("{registry}/a:1"), push_as("{registry}/b:1"), tag_as("c:1", "busybox")):
        each(workspace(done))
    assert done == [
        ("tag", "sha256:5a", "localhost:5001/a:1"),
        ("push", "sha256:5a", "localhost:5001/b:1"),
        ("tag", "busybox", "c:1"),
    ]
