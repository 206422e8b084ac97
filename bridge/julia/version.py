"""Julia's version: what an executable says it is, and comparing it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["OLDEST", "OLDEST_JULIACALL", "dotted", "numbers", "said_by"]

OLDEST = (1, 5)
"""The oldest Julia that DiagramBridge runs on."""

OLDEST_JULIACALL = (1, 10)
"""The oldest Julia that juliacall runs on."""


def numbers(version: str) -> tuple[int, ...]:
    """Major and minor number; empty for what is no version.

    >>> numbers("1.10.8"), numbers("1.12.0-rc1"), numbers("")
    ((1, 10), (1, 12), ())
    """
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else ()


def dotted(version: tuple[int, ...]) -> str:
    """The usual way to write a version.

    >>> dotted((1, 5))
    '1.5'
    """
    return ".".join(map(str, version))


def said_by(executable: Path, environment: Mapping[str, str] | None = None) -> str:
    """What `julia --version` says, which takes milliseconds; "" where it says nothing of the kind."""
    try:
        run = subprocess.run(
            [str(executable), "--version"], capture_output=True, text=True, timeout=20, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.match(r"julia version (\S+)", run.stdout)
    return match[1] if match else ""
