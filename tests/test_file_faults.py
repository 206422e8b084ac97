"""Paths that are no regular files, and full disks: refused by name in both languages, and nothing is half-written."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_weights import objective

import bridge
from bridge.errors import BridgeError
from tests.julia_arrays import evaluate, julia

READING: dict[str, tuple[Callable[[str, bridge.Objective], object], str]] = {
    "load": (lambda path, trained: bridge.load(path), "DiagramBridge.load({path})"),
    "load_weights": (bridge.load_weights, "DiagramBridge.load_weights!({objective}, {path})"),
    "read_weights": (lambda path, trained: bridge.read_weights(path), "DiagramBridge.read_weights({path})"),
    "load_checkpoint": (bridge.load_checkpoint, "DiagramBridge.load_checkpoint!({objective}, {path})"),
}
WRITING: dict[str, tuple[Callable[[str, bridge.Objective], object], str]] = {
    "save": (lambda path, trained: bridge.save(trained.diagram, path), "DiagramBridge.save({path}, {objective}.diagram)"),
    "save_weights": (bridge.save_weights, "DiagramBridge.save_weights({path}, {objective})"),
    "save_checkpoint": (bridge.save_checkpoint, "DiagramBridge.save_checkpoint({path}, {objective})"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> bridge.Objective:
    """An objective, which Julia has as `Faults.OBJECTIVE` too."""
    path = tmp_path_factory.mktemp("faults") / "d.pb"
    bridge.save(objective().diagram, path)
    julia().eval(
        "module Faults\nusing DiagramBridge\nconst HELD = Ref{Any}()\n"
        f'HELD[] = DiagramBridge.compile(DiagramBridge.load(raw"{path}"); seed = 1)\nend'
    )
    return objective()


def refusals(
    calls: tuple[Callable[[str, bridge.Objective], object], str], path: str, trained: bridge.Objective
) -> tuple[BridgeError, BridgeError]:
    """Python's and Julia's."""
    here, there = calls
    with pytest.raises(BridgeError) as pythons:
        here(path, trained)
    written = path.replace("\0", "\\0")
    with pytest.raises(BridgeError) as julias:
        evaluate(there.format(path=f'"{written}"', objective="Faults.HELD[]"))
    return pythons.value, julias.value


@pytest.mark.parametrize("name", ["pipe", "folder", "device", "socket", "circle", "none", "no/one", "a\0b", "long" * 80])
@pytest.mark.parametrize("reading", READING)
def test_what_is_no_regular_file(reading: str, name: str, trained: bridge.Objective, tmp_path: Path) -> None:
    path = f"{tmp_path}/{name}.safetensors"
    if name == "pipe":
        os.mkfifo(path)
    elif name == "folder":
        os.mkdir(path)
    elif name == "device":
        os.symlink("/dev/zero", path)
    elif name == "circle":
        os.symlink(path, path)
    elif name == "socket":
        short = f"/tmp/bridge-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(short)
        os.rename(short, path)
    for error in refusals(READING[reading], path, trained):
        assert (error.element, error.expected) == (f"file '{path}'", "a file that can be read")


@pytest.mark.parametrize("writing", WRITING)
def test_paths_that_can_not_be_written(writing: str, trained: bridge.Objective, tmp_path: Path) -> None:
    suffix = ".pb" if writing == "save" else ".safetensors"
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / "file").touch()
    os.symlink(f"circle{suffix}", tmp_path / f"circle{suffix}")
    before = sorted(tmp_path.rglob("*"))
    for name in ("folder", "circle", "no/one", "file/one", "a\0b", "long" * 80):
        path = f"{tmp_path}/{name}{suffix}"
        one, two = refusals(WRITING[writing], path, trained)
        assert one.element == two.element and one.expected == two.expected == "a path that can be written"
    assert sorted(tmp_path.rglob("*")) == before


@contextmanager
def no_more_than(size: int) -> Iterator[None]:
    """Files can't grow above this size, as on a disk that is full."""
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)


@pytest.mark.parametrize("writing", WRITING)
def test_a_disk_that_is_full(writing: str, trained: bridge.Objective, tmp_path: Path) -> None:
    path = tmp_path / ("kept.pb" if writing == "save" else "kept.safetensors")
    WRITING[writing][0](str(path), trained)
    before = path.read_bytes()
    for size in (0, 8, 100, len(before) // 2):
        with no_more_than(size):
            one, two = refusals(WRITING[writing], str(path), trained)
        assert one.element == two.element == f"file '{path}'"
        assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_all_of_a_large_tensor_is_written_or_none(tmp_path: Path) -> None:
    """What is larger than a buffer is written past it, and the system may take a part of it."""
    path = tmp_path / "kept.safetensors"
    code = f'DiagramBridge.write_tensors(raw"{path}", Dict("a" => ones({{}})), Dict{{{{String,String}}}}())'
    julia()
    evaluate(code.format(3))
    before = path.read_bytes()
    with no_more_than(10**6), pytest.raises(BridgeError, match="a path that can be written, found File too large"):
        evaluate(code.format(2 * 10**5))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
