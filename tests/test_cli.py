"""The command line: what it prints, its exit status, and that it never shows a traceback for a wrong input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bridge
from bridge import layers
from bridge.cli.main import main

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from bad_files import FOLDER, bad_files, good_diagram  # noqa: E402 – scripts are no package

COMMAND = [sys.executable, "-m", "bridge"]


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "good.pb"
    bridge.save(good_diagram(), path)
    return str(path)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=600
    )


def test_every_wrong_file_is_named_and_explained() -> None:
    files = bad_files()
    paths = [str(FOLDER / bad.name) for bad in files]
    ended = run("check", *paths)
    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (2, "")
    assert len(lines) == len(files) >= 25
    for bad, path, line in zip(files, paths, lines, strict=True):
        assert line.startswith(f"file {path!r}")
        assert bad.element.replace("{file}", f"file {path!r}") in line
        assert bad.expected in line.split(": expected ", 1)[1]
        assert bad.found in line.split(", found ", 1)[1]


def test_check_as_json(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", good, str(FOLDER / "cycle.pb"), "absent.pb"]) == 2
    sound, cycle, absent = json.loads(capsys.readouterr().out)
    assert sound == {
        "file": good,
        "sound": True,
        "diagram": "distillation",
        "identity": bridge.schema.identity(good_diagram()),
    }
    assert cycle["error"]["kind"] == "cycle" and "commute" in cycle["error"]["element"]
    assert absent["error"]["element"] == "file 'absent.pb'" and absent["error"]["found"] == "No such file or directory"


def test_check_of_sound_files(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", good]) == 0
    assert capsys.readouterr().out.startswith(f"file {good!r}: sound, diagram 'distillation', identity ")
    assert main(["check", "--quiet", good]) == 0
    assert capsys.readouterr().out == ""


def test_show(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", good]) == 0
    shown = capsys.readouterr().out
    for line in (
        "identity " + bridge.schema.identity(good_diagram()),
        "image   float32 (row=8, column=8)",
        "unlabelled  image: image",
        "1,040 parameters, trains",
        "flatten → linear(64, 16) → relu",
        "logits × logits → logits",
        "cross_entropy(head(encoder(digits.image)), digits.label) · 1 where digits.weight",
        "kl(head(encoder(digits.image)), detach(teacher(digits.image)), temperature=4) · 1",
        "mse(path, path) · 1, paths from unlabelled to logits",
        "2 paths, 1 agreement",
    ):
        assert line in shown
    assert "plan" not in shown


def test_show_of_a_plan(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", good, "--plan", "--place", "encoder=julia"]) == 0
    shown = capsys.readouterr().out
    assert "encoder   portable on julia" in shown
    assert "17 instructions" in shown and "instructions 7 to 8" in shown
    assert main(["show", good, "--plan", "--place", "encoder=julia", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    placement = {"encoder": bridge.plan.Runtime.JULIA}
    plan = bridge.plan.plan(good_diagram(), placement)
    assert [i["operation"] for i in plain["plan"]["instructions"]] == [i.operation.value for i in plan.instructions]
    assert [tuple(i["components"]) for i in plain["plan"]["islands"]] == [("encoder",)]
    assert plain["components"][1] == {
        "name": "encoder",
        "runtime": "julia",
        "kind": "portable",
        "body": "flatten → linear(64, 16) → relu",
        "parameters": 1040,
        "training": "trainable",
    }
    assert main(["show", good, "--plan", "--driver", "julia"]) == 0
    assert "julia drives" in capsys.readouterr().out


def tower(height: int) -> bridge.Diagram:
    """x ↦ add(f(x), f(x)), over and over: 2^height routes in as many terms."""
    d = bridge.Builder("tower")
    x = d.space("x", "float32", k=4)
    data = d.source("data", x=x, y=x)
    f = d.arrow("f", x, x, layers.linear(4, 4))
    add = d.arrow("add", (x, x), x, layers.add())
    term = data.x
    for _ in range(height):
        term = add(f(term), f(term))
    d.agree(term, data.y, by=bridge.mse())
    return d.build()


def test_deep_and_exponential_terms_are_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tower.pb"
    bridge.save(tower(2000), path)
    assert main(["show", str(path), "--plan"]) == 0
    shown = capsys.readouterr().out
    assert "…, data.y) · 1" in shown
    assert "… and" in shown
    assert len(shown) < 20_000
    assert main(["show", str(path), "--json"]) == 0
    assert len(capsys.readouterr().out) < 20_000


def test_many_elements_are_cut_off_unless_all_are_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    d = bridge.Builder("wide")
    x = d.space("x", "float32", k=2)
    data = d.source("data", x=x, y=x)
    for number in range(100):
        d.agree(d.arrow(f"f{number}", x, x, layers.linear(2, 2))(data.x), data.y, by=bridge.mse())
    path = str(tmp_path / "wide.json")
    bridge.save(d.build(), path)
    assert main(["show", path]) == 0
    assert capsys.readouterr().out.count("… and 60 more") == 3  # components, arrows, agreements
    assert main(["show", path, "--all"]) == 0
    assert "more" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "absent.pb"], "file 'absent.pb': expected a file that can be read, found No such file or directory"),
        (["show", str(FOLDER / "truncated.pb")], "truncated.pb'"),
        (["show", "{good}", "--place", "encoder"], "placement 'encoder': expected COMPONENT=RUNTIME"),
        (["show", "{good}", "--place", "ghost=julia"], "placement of 'ghost': expected one of "),
        (["show", "{good}", "--place", "teacher=julia"], "component 'teacher': expected 'torch'"),
        (["show"], "diagram-bridge show: the following arguments are required: FILE"),
        (["dance"], "diagram-bridge: argument COMMAND: invalid choice: 'dance'"),
        ([], "diagram-bridge: the following arguments are required: COMMAND"),
        (["julia"], "diagram-bridge julia: the following arguments are required: COMMAND"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    arguments: list[str], said: str, good: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main([good if argument == "{good}" else argument for argument in arguments])
    except SystemExit as ended:  # argparse
        status = ended.code  # type: ignore[assignment]
    shown = capsys.readouterr()
    assert status == 2
    assert said in shown.err and shown.err.count("\n") == 1 and shown.out == ""


def test_a_machine_without_julia(tmp_path: Path) -> None:
    absent = str(tmp_path / "julia")
    ended = run("demo", DIAGRAM_BRIDGE_JULIA=absent)
    assert ended.returncode == 1 and ended.stdout == ""
    assert ended.stderr.count("\n") == 1 and absent in ended.stderr and "Traceback" not in ended.stderr
    ended = run("doctor", "--json", DIAGRAM_BRIDGE_JULIA=absent)
    assert ended.returncode == 1 and not json.loads(ended.stdout)["healthy"]


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr()
    assert "engine " in shown.out and shown.err == ""


def test_version_and_help_tell_the_statuses() -> None:
    assert run("--version").stdout == f"diagram-bridge {bridge.__version__}\n"
    shown = run("--help").stdout
    assert all(f"\n  {status} " in shown for status in (0, 1, 2, 130))


def test_ctrl_c_ends_without_a_traceback() -> None:
    # A signal that meets a finaliser in the middle of torch's import is reported by Python itself ("Exception ignored in"),
    # which nothing can be done about: such a moment is tried again.
    for _ in range(4):
        status, out, err = interrupted_demo()
        if "ignored" not in err:
            break
    assert (status, out, err) == (130, "", "interrupted\n")


def interrupted_demo() -> tuple[int, str, str]:
    """Status and output of a demo that gets SIGINT while it loads."""
    loading = subprocess.Popen([*COMMAND, "demo"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Its own handler is there when torch, the first thing it loads, is on its way.
    maps = Path(f"/proc/{loading.pid}/maps")
    while "libtorch" not in maps.read_text() and loading.poll() is None:
        time.sleep(0.01)
    loading.send_signal(signal.SIGINT)
    out, err = loading.communicate(timeout=60)
    return loading.returncode, out, err


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    path = tmp_path / "wide.pb"
    bridge.save(tower(2000), path)
    show = subprocess.Popen(
        [*COMMAND, "show", str(path), "--plan", "--all"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert show.stdout is not None and show.stderr is not None
    show.stdout.readline()
    show.stdout.close()
    assert show.stderr.read() == b""
    assert show.wait(60) == 1


def test_a_terminal_without_unicode(good: str) -> None:
    ended = run("show", good, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0 and "\\u2192" in ended.stdout


@pytest.mark.parametrize("command", ["check", "show"])
def test_reading_a_file_loads_neither_torch_nor_julia(command: str, good: str) -> None:
    script = (
        "import sys\nfrom bridge.cli.main import main\n"
        f"assert main([{command!r}, {good!r}]) == 0\n"
        "assert not {'torch', 'juliacall', 'rich', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, timeout=60)
