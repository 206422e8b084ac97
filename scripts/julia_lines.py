"""Whether each line of Julia code has 125 columns at most, as ruff asks of Python: `python scripts/julia_lines.py`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("julia", "examples", "tests")
COLUMNS = 125


def main() -> int:
    """Name the lines that are too long; returns 1 if there are any."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {len(line)} columns, more than {COLUMNS}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.jl"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > COLUMNS
    ]
    print("\n".join(found) or f"no line of Julia code has more than {COLUMNS} columns")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
