"""Write the code that is made from proto/: the Python messages and the Julia structs.

    python scripts/generate.py           # write it
    python scripts/generate.py --check   # exit 1, naming the files, where it is not current

Python code is made by one pinned protoc, put into a virtual environment of its own: generated code imports only where
the protobuf runtime is at least as new as its compiler, so the oldest one that we support has to make it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from julia_schema import emit

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
PYTHON = ROOT / "bridge" / "schema" / "generated"
JULIA = ROOT / "julia" / "src" / "schema.jl"

# Its protoc is 25.1: the code runs on protobuf ≥ 4.25, and later compilers add a check that refuses older runtimes.
# grpcio-tools 1.62 has wheels for Python 3.7 to 3.12.
PROTOC = "grpcio-tools==1.62.3"

INIT = '"""Messages of proto/, written by scripts/generate.py."""\n'
NOTICE = "# Written by scripts/generate.py from proto/. Do not edit.\n"
PACKAGE = "bridge.schema.generated"


def compiler(folder: Path) -> Path:
    """A Python interpreter that has the pinned compiler: this one, or one in a new virtual environment in `folder`."""
    name, version = PROTOC.split("==")
    probe = f"import importlib.metadata as m, sys; sys.exit(m.version('{name}') != '{version}')"
    if subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode == 0:
        return Path(sys.executable)
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", PROTOC], check=True)
    return python


def compile_protos(folder: Path) -> FileDescriptorSet:
    """Run protoc on every file of proto/, with Python code into `folder`; returns the descriptors with comments."""
    python = compiler(folder / "venv")
    sources = sorted(path.relative_to(PROTO).as_posix() for path in PROTO.rglob("*.proto"))
    descriptors = folder / "descriptors.pb"
    options = [f"-I{PROTO}", f"--python_out={folder}", f"--pyi_out={folder}", f"--descriptor_set_out={descriptors}"]
    options += ["--include_imports", "--include_source_info"]
    subprocess.run([str(python), "-m", "grpc_tools.protoc", *options, *sources], check=True)
    return FileDescriptorSet.FromString(descriptors.read_bytes())


def rehome(text: str) -> str:
    """Generated Python as modules of our package, where protoc imports by the folders of proto/."""
    text = text.replace("from diagram_bridge.v1 import", f"from {PACKAGE} import")
    text = text.replace(", _Mapping]", ", _Mapping[str, object]]")  # mypy --strict wants it
    text = re.sub(r"'diagram_bridge\.v1\.(\w+_pb2)'", rf"'{PACKAGE}.\1'", text)
    return NOTICE + text


def generate() -> dict[Path, str]:
    """Every generated file with its text."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        descriptors = compile_protos(folder)
        made = sorted(folder.rglob("*_pb2.py*"))
        made = [path for path in made if "venv" not in path.relative_to(folder).parts]
        files = {PYTHON / path.name: rehome(path.read_text(encoding="utf-8")) for path in made}
    files[PYTHON / "__init__.py"] = INIT
    files[JULIA] = emit(descriptors)
    return files


def stale(files: dict[Path, str]) -> list[Path]:
    """The files that are missing, differ, or are left over from a schema that no longer has them."""
    differing = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    left_over = [path for path in PYTHON.glob("*.py*") if path not in files]
    return sorted(differing + left_over)


def main() -> int:
    """Generate, or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is not current")
    check = parser.parse_args().check
    files = generate()
    old = stale(files)
    for path in old:
        if check:
            print(f"{path.relative_to(ROOT)} is not current; run python scripts/generate.py", file=sys.stderr)
        elif path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
        else:
            path.unlink()
            print(f"removed {path.relative_to(ROOT)}")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
