"""Julia in one process with Python: each test runs a fresh Python, since Julia starts once per process.

The Julia is the one that `bridge.julia.find` chooses.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from bridge.julia.find import Candidate, choose
from bridge.julia.start import julia_literal

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    return choose()


@pytest.fixture(scope="module")
def by_library(candidate: Candidate) -> Candidate:
    if candidate.layout is None:
        pytest.skip(f"the Julia in use is started by {candidate.how}")
    return candidate


def environment(data: Path, **extra: str) -> dict[str, str]:
    """The environment of a test's process, with a data folder of its own; the Julia in use stays the one found here."""
    found = choose()
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "DIAGRAM_BRIDGE_DATA": str(data), **extra}
    if found.layout is not None:
        variables["DIAGRAM_BRIDGE_JULIA"] = str(found.layout.executable)
    return variables


def python(code: str, data: Path, **extra: str) -> str:
    """What a fresh Python prints; its standard error has to be empty, or the test fails with it."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=environment(data, **extra),
    )
    assert run.returncode == 0 and run.stderr == "", f"exit status {run.returncode}\n{run.stdout}\n{run.stderr}"
    return run.stdout


EXERCISE = """
runtime = start()
runtime.eval('''
    using LinearAlgebra
    half(n) = isodd(n) ? error("odd") : n ÷ 2
    caught(n) = try half(n) catch e; e.msg end
    function shares()
        owners = zeros(Int, 8)
        Threads.@threads for k in 1:8
            owners[k] = Threads.threadid()
        end
        length(unique(owners))
    end
''')
assert runtime.eval_string('caught(3)') == 'odd'
assert runtime.eval_pointer('caught(8)') == 4
assert runtime.eval_string('svdvals([3.0 0.0; 0.0 4.0])') == '[4.0, 3.0]'
assert runtime.eval_string('setprecision(() -> string(BigFloat(2)^0.5), 64)') == '1.41421356237309504876'
assert runtime.eval_string('fetch(@async 1 + 1)') == '2'
assert runtime.eval_pointer('shares()') == runtime.eval_pointer('Threads.nthreads()')
"""

TORCH = """
assert torch.equal(torch.eye(3) @ torch.ones(3, 3), torch.ones(3, 3))
try:
    torch.rand(3) @ torch.rand(4)  # a C++ exception through torch's own frames
except RuntimeError as error:
    assert 'size' in str(error)
x = torch.ones(3, requires_grad=True)
(x * x).sum().backward()
assert x.grad.tolist() == [2, 2, 2]
print('fine')
"""


@pytest.mark.parametrize(
    "order",
    [
        "import torch\nfrom bridge.julia.start import start\n" + EXERCISE + TORCH,
        "from bridge.julia.start import start\n" + EXERCISE + "import torch\n" + TORCH,
    ],
    ids=["torch first", "Julia first"],
)
def test_julia_and_torch_work_in_one_process(order: str, by_library: Candidate, tmp_path: Path) -> None:
    assert python(order, tmp_path) == "fine\n"


def test_two_julia_threads_share_a_loop(by_library: Candidate, tmp_path: Path) -> None:
    code = "from bridge.julia.start import start\n" + EXERCISE + "print(runtime.eval_pointer('shares()'))"
    assert python(code, tmp_path, JULIA_NUM_THREADS="2") == "2\n"


def test_start_says_what_runs_and_starts_once(candidate: Candidate, tmp_path: Path) -> None:
    code = """
        import os, threading
        from bridge.julia.start import running, start
        assert running() is None
        runtime = start()
        assert start() is runtime is running()
        assert (runtime.owner, runtime.pid) == (threading.get_ident(), os.getpid())
        print(runtime.version, runtime.how, runtime.libjulia.jl_is_initialized())
    """
    assert python(code, tmp_path) == f"{candidate.version} {candidate.how} 1\n"


def test_julia_exceptions_are_python_exceptions_with_the_trace(candidate: Candidate, tmp_path: Path) -> None:
    code = r"""
        from bridge.errors import JuliaError
        from bridge.julia.start import start
        runtime = start()
        runtime.eval('faulty(x) = sqrt(x)\nouter(x) = faulty(x) + 1')
        def refused(code, element='Julia code'):
            try:
                runtime.eval(code, element)
            except JuliaError as error:
                return error
            raise AssertionError('no error')
        error = refused('outer(-1.0)', "component 'head'")
        assert error.kind == 'DomainError' and error.message.startswith('DomainError with -1.0'), error
        assert error.element == "component 'head'" and 'outer' in error.stacktrace, error
        assert 'evaluate' not in error.stacktrace
        assert refused('1 +').kind in ('ErrorException', 'ParseError')
        assert refused('nowhere').kind == 'UndefVarError'
        assert refused('throw(3)').kind == 'Int64'
        runtime.eval('struct Odd <: Exception end; Base.showerror(io::IO, ::Odd) = error("worse")')
        assert 'showerror' in refused('throw(Odd())').message
        deep = refused('endless(x) = endless(x + 1) + 1; endless(1)')
        assert deep.kind == 'StackOverflowError' and len(deep.stacktrace.splitlines()) < 80
        assert runtime.eval_string('"π $(1 + 1)"') == 'π 2'
        assert runtime.eval_pointer('-1') == 2**64 - 1
        assert runtime.eval_pointer('C_NULL') == 0
        assert refused('DiagramBridgeStart.address("text")').kind == 'MethodError'
        runtime.eval('later(x) = 1'); runtime.eval('later(x) = 2')
        assert runtime.eval_string('later(0)') == '2'
        print('fine')
    """
    assert python(code, tmp_path) == "fine\n"


def test_other_threads_and_forked_children_are_refused(candidate: Candidate, tmp_path: Path) -> None:
    code = """
        import multiprocessing, os, threading
        from bridge.errors import JuliaUnavailable
        from bridge.julia.start import start
        runtime = start()
        def refusal():
            try:
                runtime.eval('1')
            except JuliaUnavailable as error:
                return error.found
        said = []
        for _ in range(20):  # a later thread can have an earlier one's identifier
            thread = threading.Thread(target=lambda: said.append(refusal()), name='worker')
            thread.start(); thread.join()
        assert all("thread 'worker'" in text for text in said), said
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            try:
                start()
            except JuliaUnavailable as error:
                os.write(write, f'{error.found};{refusal()}'.encode())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        started, called = os.read(read, 1000).decode().split(';', 1)
        assert 'forked child' in started and 'forked child' in called
        assert runtime.eval_string('1 + 1') == '2'
        print('fine')
    """
    assert python(code, tmp_path, PYTHONWARNINGS="ignore") == "fine\n"


INTERRUPTED = """
import ctypes, time
from bridge.julia.start import start
runtime = start()
check = ctypes.cast(ctypes.pythonapi.PyErr_CheckSignals, ctypes.c_void_p).value
print('ready', flush=True)
try:
    {wait}
    print('not interrupted')
except KeyboardInterrupt:
    print('interrupted', runtime.eval_string('(@isdefined(ended), 1 + 1)'))
"""


@pytest.mark.parametrize(
    "wait",
    [
        "time.sleep(20)",
        """runtime.eval(f'''let until = time() + 20
            while time() < until
                sum(rand(1000))
                ccall(Ptr{{Cvoid}}({check}), Cint, ()) == 0 || throw(InterruptException())
            end
        end; ended = true''')""",
    ],
    ids=["in Python", "in Julia"],
)
def test_interrupting_raises_keyboard_interrupt(wait: str, candidate: Candidate, tmp_path: Path) -> None:
    code = INTERRUPTED.replace("{wait}", wait)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment(tmp_path)
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted (false, 2)\n"


def test_termination_and_pythons_own_handlers_still_work(candidate: Candidate, tmp_path: Path) -> None:
    code = """
        import signal, threading
        seen = []
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGUSR1])  # whatever the parent blocks
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda number, frame: seen.append(number))
        from bridge.julia.start import start
        start()
        here = threading.get_ident()  # to the process, a signal may reach any thread that waits for it, Julia's listener too
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.pthread_kill(here, number)
        assert seen == [signal.SIGTERM, signal.SIGUSR1], seen
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        print('fine', flush=True)
        signal.pthread_kill(here, signal.SIGTERM)
        print('alive')
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment(tmp_path), check=False)
    assert (run.returncode, run.stdout) == (-signal.SIGTERM, "fine\n")


def test_starting_leaves_environment_and_locale_alone(by_library: Candidate, tmp_path: Path) -> None:
    code = """
        import locale, os
        before = dict(os.environ), locale.setlocale(locale.LC_ALL)
        from bridge.julia.start import start
        start()
        assert (dict(os.environ), locale.setlocale(locale.LC_ALL)) == before
        print('fine')
    """
    assert python(code, tmp_path, LC_ALL="C.UTF-8") == "fine\n"


def test_the_users_own_choice_of_kernels_wins(by_library: Candidate, tmp_path: Path) -> None:
    code = "from bridge.julia.start import start; print(start().blas)"
    chosen = python(code, tmp_path, OPENBLAS_CORETYPE="Nehalem")
    assert chosen == "Nehalem (OPENBLAS_CORETYPE)\n"


def test_wrong_kernels_are_noticed() -> None:
    import ctypes

    from bridge.julia.blas import _product_is_exact

    def off_by_one(*arguments: object) -> None:
        product = arguments[-2]
        assert isinstance(product, ctypes.Array)
        product[0] += 1

    assert not _product_is_exact(off_by_one, ctypes.c_float)


DUMMY_PROJECT = """
name = "DiagramBridge"
uuid = "5f1d7e2a-1b7e-4d53-9a52-6d2a0c8f1e11"
version = "0.1.0"

[deps]
LinearAlgebra = "37e2e46d-f89d-539d-b4ee-838fcccc9c8e"
"""

LOAD = """
import sys
from pathlib import Path
from bridge.julia import start
start.julia_project = lambda: Path(sys.argv[1])
runtime = start.start()
depots = runtime.eval_string('DEPOT_PATH')
start.load_package(runtime)
start.load_package(runtime)
assert runtime.eval_string('DEPOT_PATH') == depots
print(runtime.eval_string('DiagramBridge.answer()'))
"""


def load(project: Path, data: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LOAD, str(project)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(data, **extra), check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A package of DiagramBridge's name with a path that needs quoting in Julia."""
    folder = tmp_path / 'a $folder with "quotes"'
    (folder / "src").mkdir(parents=True)
    (folder / "Project.toml").write_text(DUMMY_PROJECT)
    (folder / "src" / "DiagramBridge.jl").write_text(
        "module DiagramBridge\nusing LinearAlgebra\nanswer() = det([2.0 0.0; 0.0 21.0])\nend\n"
    )
    return folder


def test_the_package_is_compiled_once_into_the_data_folder(
    project: Path, by_library: Candidate, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    run = load(project, data)
    assert run.stdout == "42.0\n", run.stderr
    compiled = list((data / "depot" / "compiled").rglob("*.ji"))
    assert len(compiled) == 1
    written = compiled[0].read_bytes()
    assert load(project, data).stdout == "42.0\n"
    assert compiled[0].read_bytes() == written  # a second compilation has another build id


def test_the_users_depot_is_used_where_there_is_one(project: Path, by_library: Candidate, tmp_path: Path) -> None:
    run = load(project, tmp_path / "data", JULIA_DEPOT_PATH=str(tmp_path / "mine"))
    assert run.stdout == "42.0\n", run.stderr
    assert not (tmp_path / "data" / "depot").exists()
    assert list((tmp_path / "mine").rglob("*.ji"))


def test_a_package_that_does_not_load_is_a_julia_error(project: Path, candidate: Candidate, tmp_path: Path) -> None:
    (project / "src" / "DiagramBridge.jl").write_text('module DiagramBridge\nerror("broken")\nend\n')
    run = load(project, tmp_path / "data")
    assert run.returncode == 1 and "JuliaError: the Julia package DiagramBridge" in run.stderr


def test_an_unsuitable_library_that_is_already_loaded_is_refused(by_library: Candidate, tmp_path: Path) -> None:
    layout = by_library.layout
    assert layout is not None
    if not layout.libraries:
        pytest.skip("this Julia finds its own libraries")
    other = tmp_path / "libunwind.so.8"
    other.write_bytes((layout.libraries[0] / "libunwind.so.8").read_bytes())
    code = f"""
        import ctypes
        ctypes.CDLL({str(other)!r})
        from bridge.errors import JuliaUnavailable
        from bridge.julia.start import start
        try:
            start()
        except JuliaUnavailable as error:
            print(error.element, error.found.split(',')[0])
    """
    assert python(code, tmp_path) == f"library libunwind.so.8 {other}\n"


def test_julias_streams_and_exit_hooks_are_served_at_exit(candidate: Candidate, tmp_path: Path) -> None:
    code = """
        from bridge.julia.start import start
        start().eval('atexit(() -> println("hook")); print("no newline, ")')
    """
    assert python(code, tmp_path) == "no newline, hook\n"


def test_julia_can_be_started_from_a_second_thread(by_library: Candidate, tmp_path: Path) -> None:
    code = """
        import threading
        from bridge.errors import JuliaUnavailable
        from bridge.julia.start import start
        answers = []
        def work():
            answers.append(start().eval_string('sum(1:4)'))
        thread = threading.Thread(target=work); thread.start(); thread.join()
        try:
            start().eval('1')
        except JuliaUnavailable:
            print(answers)
    """
    assert python(code, tmp_path) == "['10']\n"


@pytest.mark.parametrize("text", ["", "plain", 'quo"te', "back\\slash", "$dollar", "π\n"])
def test_julia_literal_round_trips(text: str) -> None:
    literal = julia_literal(text)
    assert literal[0] == literal[-1] == '"'
    undone = literal[1:-1].replace("\\$", "$").replace('\\"', '"').replace("\\\\", "\\")
    assert undone == text
