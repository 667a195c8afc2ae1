"""What only a process of our own may do: it leaves out what no command needs."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

__all__ = ["bring_back", "end", "may_fork", "take_over"]

_LEFT_OUT = frozenset({"numpy", "pandas"})
_OBJECTS = 1_000_000
"""How many new objects are there before Python looks which of them nobody uses."""


class _Absent:
    """Finds none of the modules that are left out; other finders know all else."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in _LEFT_OUT:
            raise ModuleNotFoundError(f"{name} is left out", name=name)


_absent = _Absent()


def take_over() -> None:
    """Notes that this process is ours, hides numpy and pandas from it, and looks for unused cycles less often.

    pyarrow imports both where they are there, which takes half a second, and does without them where they are not.
    What the imports make are hundreds of thousands of objects that stay. pyarrow's own way to get memory takes it in
    such large pieces that a quarter of a second goes by and 70 MB stay empty.
    """
    sys.meta_path.insert(0, _absent)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    gc.set_threshold(_OBJECTS)


def end(code: int) -> NoReturn:
    """Ends this process as `sys.exit` does, but leaves its memory to the system: Python needs a tenth of a second."""
    atexit._run_exitfuncs()  # noqa: SLF001  there is no public name for it
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # Python says that it could not write.
        sys.exit(code)
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


def bring_back() -> None:
    """Hides nothing any more: the client of a destination may need what was left out."""
    if _absent in sys.meta_path:
        sys.meta_path.remove(_absent)


def may_fork() -> bool:
    """Whether a copy of this process can go on by itself: it is ours, on Linux, and no thread would be lost."""
    return _absent in sys.meta_path and sys.platform == "linux" and threading.active_count() == 1
