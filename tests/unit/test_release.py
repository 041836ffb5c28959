"""What stands between a tree and its release."""

import datetime as dt
import io
import tarfile
import zipfile
from email.message import Message

import pytest

from scripts import release
from scripts.version import (
    CHANGELOG,
    ROOT,
    VERSION,
    ChangelogError,
    current_version,
    raise_version,
    raised,
    release_date,
)

TODAY = dt.date(2027, 2, 28)
HEAD = "# Changelog\n\n## [Unreleased]\n"
OLD = "\n## [1.4.2] - 2026-11-30\n\n### Added\n\n- Something old.\n"


@pytest.fixture
def tree(tmp_path):
    """A tree at 1.4.2; call it with what its changelog says."""

    def write(changelog):
        module = tmp_path / VERSION
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text('"""The version."""\n\n__version__ = "1.4.2"\n')
        (tmp_path / CHANGELOG).write_text(changelog)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("part", "version"),
    [("major", "2.0.0"), ("minor", "1.5.0"), ("patch", "1.4.3"), ("none", "1.4.2")],
)
def test_raising_a_part_begins_the_smaller_ones_anew(part, version):
    assert raised("1.4.2", part) == version


def test_what_was_unreleased_becomes_the_section_of_the_version(tree):
    root = tree(f"{HEAD}\n### Changed\n\n- Something new.\n{OLD}")

    assert raise_version(root, "minor", TODAY) == current_version(root) == "1.5.0"

    assert (root / CHANGELOG).read_text() == (
        f"{HEAD}\n## [1.5.0] - 2027-02-28\n\n### Changed\n\n- Something new.\n{OLD}"
    )
    assert release_date(root, "1.5.0") == TODAY


def test_the_first_release_keeps_its_version(tree):
    root = tree(f"{HEAD}\n### Added\n\n- **Breaking:** all is new.\n")

    assert raise_version(root, "none", TODAY) == "1.4.2"
    assert release_date(root, "1.4.2") == TODAY


@pytest.mark.parametrize(
    ("changelog", "part", "says"),
    [
        (HEAD + OLD, "minor", "nothing under"),
        ("# Changelog\n" + OLD, "minor", "no section"),
        (f"{HEAD}\n- **Breaking:** it differs.\n{OLD}", "minor", "call for `major`"),
        (f"{HEAD}\n- It differs.\n{OLD}", "none", "1.4.2 is released already"),
    ],
)
def test_what_cannot_be_raised_is_left_as_it_is(tree, changelog, part, says):
    root = tree(changelog)

    with pytest.raises(ChangelogError, match=says):
        raise_version(root, part, TODAY)

    assert (current_version(root), (root / CHANGELOG).read_text()) == ("1.4.2", changelog)


@pytest.mark.parametrize(
    ("changelog", "says"),
    [
        (f"{HEAD}\n- Something new.\n{OLD}", "unreleased"),
        (f"{HEAD}\n## [1.4.1] - 2026-11-29\n", "is 1.4.1, not 1.4.2"),
        (f"{HEAD}\n## [1.4.2]\n\n- Something.\n", "no date"),
        (HEAD, "is none"),
    ],
)
def test_a_changelog_that_does_not_go_with_the_version_is_told(tree, changelog, says):
    with pytest.raises(ChangelogError, match=says):
        release_date(tree(changelog), "1.4.2")


def test_the_version_of_this_tree_is_found():
    assert raised(current_version(ROOT), "none") == current_version(ROOT)


@pytest.fixture
def built(tmp_path):
    """Make a wheel and an sdist that hold these files."""

    def make(in_wheel, in_sdist):
        sdist, wheel = tmp_path / "a.tar.gz", tmp_path / "a.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name in (*in_wheel, "a.dist-info/METADATA"):
                archive.writestr(name, "x")
        with tarfile.open(sdist, "w:gz") as archive:
            for name in (*in_sdist, *release.ADDED):
                archive.addfile(tarfile.TarInfo(f"a-1/{name}"), io.BytesIO())
        return sdist, wheel

    return make


TRACKED = ("README.md", "noxfile.py", "src/modelgates_speech/a.py", "generated/modelgates_api/b.py")
IN_WHEEL = ("modelgates_speech/a.py", "modelgates_api/b.py")
IN_SDIST = ("README.md", *TRACKED[2:])


def test_distributions_that_hold_what_git_knows_are_whole(built):
    assert release.against_tree(*built(IN_WHEEL, IN_SDIST), TRACKED) == []


def test_what_is_missing_or_too_much_is_named(built):
    told = release.against_tree(*built(["modelgates_speech/a.py", ".env"], IN_SDIST[1:]), TRACKED)

    assert told == [
        "a.whl lacks modelgates_api/b.py",
        "a.whl has .env, which git does not know",
        "a.tar.gz lacks README.md",
    ]


def metadata(*requirements):
    message = Message()
    for field, value in (
        *(("Name", "modelgates-speech"), ("Version", "1.4.2"), ("License-Expression", "MIT")),
        *(("Provides-Extra", extra) for extra in ("cli", "stub", "all")),
        *(("Requires-Dist", requirement) for requirement in requirements),
    ):
        message[field] = value
    return message


@pytest.mark.parametrize(
    ("requirement", "allowed"),
    [
        ("attrs", True),
        ("espeakng-loader; extra == 'stub'", True),
        ("espeakng_loader; extra == 'all' or extra == 'stub'", True),
        ("espeakng-loader", False),
        ("lameenc; extra == 'cli'", False),
        ("lameenc; python_version >= '3'", False),
    ],
)
def test_what_is_copyleft_comes_with_the_stub_alone(requirement, allowed):
    assert (release.against_metadata("1.4.2", metadata(requirement)) == []) is allowed


def test_metadata_of_another_version_is_told():
    [told] = release.against_metadata("1.5.0", metadata())

    assert "Version: 1.4.2, not 1.5.0" in told


@pytest.mark.parametrize(
    ("licence", "free"),
    [
        ("MIT", True),
        ("Apache-2.0 AND CNRI-Python", True),
        ("MPL-2.0 or License :: OSI Approved", True),
        ("", False),
        ("AGPL-3.0-only", False),
        ("MIT AND GPL-2.0-or-later", False),
        ("Limited Permission", False),
    ],
)
def test_a_licence_that_binds_or_that_nobody_knows_is_looked_at(licence, free):
    assert (release.against_licences({"some-package": licence}) == []) is free


def test_licences_are_read_as_a_bill_of_materials_writes_them():
    bill = {
        "components": [
            {"name": "a", "licenses": [{"license": {"id": "MIT"}}]},
            {"name": "b", "licenses": [{"expression": "MIT OR 0BSD"}]},
            {"name": "c", "licenses": [{"license": {"name": "A"}}, {"license": {"name": "B"}}]},
            {"name": "d"},
        ]
    }

    assert release.licences(bill) == {"a": "MIT", "b": "MIT OR 0BSD", "c": "A or B", "d": ""}
