"""Every bad file is refused, with an error that names the element, what was expected and what was found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import bridge
from bridge.errors import BridgeError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from bad_files import FOLDER, BadFile, bad_files, good_diagram  # noqa: E402 – scripts are no package

FILES = bad_files()


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.name)
def test_refusal(bad: BadFile) -> None:
    path = FOLDER / bad.name
    with pytest.raises(BridgeError) as caught:
        bridge.load(path)
    error = caught.value
    assert error.element == bad.element.replace("{file}", f"file {str(path)!r}")
    assert bad.expected in error.expected
    assert bad.found in error.found
    assert "\n" not in str(error)


def test_committed_files_are_current() -> None:
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == {bad.name: bad.data for bad in FILES}


def test_they_differ_from_a_good_one(tmp_path: Path) -> None:
    good = good_diagram()
    for suffix in (".pb", ".txtpb", ".json"):
        bridge.save(good, tmp_path / f"good{suffix}")
        assert bridge.load(tmp_path / f"good{suffix}") == good
    assert len({(bad.element, bad.expected, bad.found) for bad in FILES}) >= 60
