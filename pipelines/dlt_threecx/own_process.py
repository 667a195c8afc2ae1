"""What only a process of our own may do: it leaves out what no command needs."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Any

__all__ = ["leave_out_pandas"]


class _WithoutPandas(MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        """Raises ModuleNotFoundError for pandas; other finders know all else."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out", name=name)


def leave_out_pandas() -> None:
    """Hides pandas from this process: pyarrow imports it for its first array, which takes a third of a second."""
    sys.meta_path.insert(0, _WithoutPandas())
