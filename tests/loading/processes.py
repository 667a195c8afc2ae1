"""Syncs in processes of their own, forked from one that has imported everything; some of them are killed.

Run as a module it is that one process: it takes a job per line, forks, and answers with what became of the child.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig import Rig, config_of

__all__ = ["Ended", "Processes"]

ROOT = Path(__file__).parents[2]
_TOUCHES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "shutil.rmtree")


@dataclass(frozen=True)
class Ended:
    """How a sync ended: its exit code, or -9 when it was killed; `steps` is how often it touched the disk."""

    code: int
    steps: int = 0
    error: str | None = None
    report: dict[str, Any] | None = None


class Processes:
    """Starts syncs, one at a time; close it in the end."""

    def __init__(self, **environ: str) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.loading.processes"],
            cwd=ROOT,
            env=os.environ | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self._parent.stdin
        assert self._parent.stdout
        self._parent.stdin.close()
        self._parent.wait(timeout=60)
        self._parent.stdout.close()

    def sync(
        self,
        rig: Rig,
        *,
        die_at_step: int | None = None,
        die_at_file: str | None = None,
        die_after_seconds: float | None = None,
        largest_file: int | None = None,
        **settings: Any,
    ) -> Ended:
        """A sync that kills itself before it touches the disk for the n-th time, or is killed after some seconds.

        Or it kills itself before it touches a file whose path has `die_at_file` in it.
        No file of it may grow beyond `largest_file` bytes.
        """
        job = {
            "project": str(rig.project),
            "db": str(rig.db),
            "urls": {name or "default": url for name, url in rig.simulator.base_urls.items()},
            "settings": rig.settings | settings,
            "die_at_step": die_at_step,
            "die_at_file": die_at_file,
            "die_after_seconds": die_after_seconds,
            "largest_file": largest_file,
        }
        assert self._parent.stdin
        assert self._parent.stdout
        print(json.dumps(job), file=self._parent.stdin, flush=True)
        return Ended(**json.loads(self._parent.stdout.readline()))


def _serve() -> None:
    # What a fork takes over needs no import in the child; pyarrow imports pandas when it is there.
    for name in ("dlt_threecx.loading.loader", "dlt.destinations.impl.duckdb.duck", "pandas"):
        importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(_forked(json.loads(line))), flush=True)


def _forked(job: dict[str, Any]) -> dict[str, Any]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(2, 1)
        answer = _synced(job)
        os.write(writer, json.dumps(answer, default=str).encode())
        os._exit(answer["code"])
    os.close(writer)
    if job["die_after_seconds"] is not None:
        time.sleep(job["die_after_seconds"])
        os.kill(child, signal.SIGKILL)
    with open(reader, "rb") as pipe:  # noqa: PTH123 - a pipe, not a path
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 0 or text:
        answered: dict[str, Any] = json.loads(text)
        return answered
    return {"code": status}


def _synced(job: dict[str, Any]) -> dict[str, Any]:
    from dlt_threecx.run import sync_pbxs
    from dlt_threecx.source.errors import ThreecxError

    project, steps = Path(job["project"]), 0

    def touched(event: str, args: tuple[Any, ...]) -> None:
        nonlocal steps
        writes = event in _TOUCHES or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writes and str(args[0]).startswith(str(project)):
            steps += 1
            is_there = job["die_at_file"] is not None and any(job["die_at_file"] in str(path) for path in args[:2])
            if is_there or steps == job["die_at_step"]:
                os.kill(os.getpid(), signal.SIGKILL)

    if job["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest_file"], resource.RLIM_INFINITY))
    sys.addaudithook(touched)
    try:
        config = config_of(project, job["urls"], **job["settings"])
        (result,) = sync_pbxs(config, db=Path(job["db"]), dataset="threecx")
    except ThreecxError as error:
        return {"code": error.exit_code, "steps": steps, "error": str(error)}
    except Exception as error:  # noqa: BLE001 - a bug is an answer too
        return {"code": 1, "steps": steps, "error": repr(error)}
    error_text = str(result.error) if result.error else None
    return {"code": result.exit_code, "steps": steps, "error": error_text, "report": result.report()}


if __name__ == "__main__":
    _serve()
