"""The labels on everything that a workspace creates on the engine."""

OBJECT = "io.github.registry-lab.object"  # label: a word for this one object, written down before
WORKSPACE = "io.github.registry-lab.workspace"  # label: the id of the workspace that made it
