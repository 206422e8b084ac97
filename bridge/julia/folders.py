"""The folders that diagram-bridge keeps its own files in.

Everything is below one data folder of the user's: the private Julia, its lock file, the packages that were fetched for
it and the cache of compiled Julia code. Deleting the folder undoes every installation.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["data_folder", "depot_folder", "prefix_folder"]


def data_folder() -> Path:
    """Where installed files go: `$DIAGRAM_BRIDGE_DATA`, else `$XDG_DATA_HOME/diagram-bridge`.

    `XDG_DATA_HOME` is `~/.local/share` when it is unset or relative, as the XDG base directory specification says.
    The folder may not exist yet.
    """
    chosen = os.environ.get("DIAGRAM_BRIDGE_DATA")
    if chosen:
        return Path(chosen).expanduser().absolute()
    share = os.environ.get("XDG_DATA_HOME", "")
    base = Path(share) if os.path.isabs(share) else Path.home() / ".local" / "share"
    return base / "diagram-bridge"


def prefix_folder() -> Path:
    """The private prefix that `diagram-bridge julia install` unpacks Debian's Julia into."""
    return data_folder() / "julia"


def depot_folder() -> Path:
    """The Julia depot that holds the compiled form of DiagramBridge, so that it is compiled once."""
    return data_folder() / "depot"
