"""The names that a lab's author imports."""

import labrunner


def test_each_name_is_imported_from_its_module_when_it_is_first_used():
    assert sorted(labrunner._MODULES) == sorted(labrunner.__all__)
    assert all(hasattr(labrunner, name) for name in labrunner.__all__)
