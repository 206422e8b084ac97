"""Giving Python its signals back after Julia has started.

Starting Julia blocks SIGINT, SIGTERM, SIGQUIT and others in the starting thread, so that a listener thread of its own
takes them: Ctrl-C then no longer raises KeyboardInterrupt. Julia keeps the signals that it works with: SIGSEGV for its
safepoints and for stack overflows, SIGUSR2, and SIGUSR1 for its profiler unless Python handles it.
"""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["kept"]

_SIGACTION_BYTES = 256
"""More than the size of C's `struct sigaction` on any platform (152 bytes in glibc)."""


@contextmanager
def kept() -> Iterator[None]:
    """Handle SIGINT, SIGTERM, SIGQUIT, SIGHUP and SIGABRT after the block as before it, unblocked in this thread.

    The handlers are kept as C has them, since Python's can only be set from the main thread.
    """
    numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGABRT}
    if callable(signal.getsignal(signal.SIGUSR1)):
        numbers.add(signal.SIGUSR1)
    sigaction = ctypes.PyDLL(None).sigaction
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    handlers = {number: ctypes.create_string_buffer(_SIGACTION_BYTES) for number in numbers}
    for number, handler in handlers.items():
        sigaction(int(number), None, handler)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            sigaction(int(number), handler, None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers - blocked)
