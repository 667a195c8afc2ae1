"""The examples in docs/python.md run as they are printed."""

import re
from pathlib import Path

from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from tests.commands import ROOT, python, settings_of

_TEXT = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
_EXAMPLES = re.findall(r"^```python\n(.*?)^```", _TEXT, re.M | re.S)


def test_every_example_works_as_printed(tmp_path: Path) -> None:
    *examples, of_errors = (example.replace("/srv/threecx", str(tmp_path)) for example in _EXAMPLES)
    with Simulator({"hq": Fleet(devices=9)}) as pbx:
        ran = python("-c", "\n".join(examples), folder=tmp_path, **settings_of(pbx))
        assert (ran.code, ran.err) == (0, "")
        first, *_, counted, _ = ran.out.splitlines()
        assert first == "hq complete 9 9 0 0"
        assert counted.startswith("9 devices, 9 changes, ")

        wrong = settings_of(pbx) | {variable("client_secret"): "wrong"}
        ran = python("-c", of_errors, folder=tmp_path, **wrong)
    assert (ran.code, ran.out, ran.err) == (0, "credentials do not retry\n", "")
