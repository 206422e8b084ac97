"""A progress bar on stderr, where a person waits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["bar"]


@contextmanager
def bar(quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """A bar that shows what it is called with: what is being done, and the fraction that is done.

    A fraction of 0 is shown as an activity whose end is not known. There is no bar where stderr is no terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda step, fraction: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(step: str, fraction: float) -> None:
            progress.update(task, description=escape(step), total=1.0 if fraction else None, completed=fraction)

        yield show
