"""What the files in deploy/ must agree with; `make prove` runs those of Airflow, Dagster and Prefect."""

import re

import yaml

from dlt_threecx.errors import DestinationError
from dlt_threecx.source.errors import ExitCode, UnreachableError
from tests.commands import ROOT

DEPLOY = ROOT / "deploy"


def test_kubernetes_tries_again_after_the_exit_codes_that_may_go_better() -> None:
    _, job = yaml.safe_load_all((DEPLOY / "kubernetes" / "cronjob.yaml").read_text(encoding="utf-8"))
    (rule,) = job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    retryable = [UnreachableError, DestinationError]
    assert all(error.retryable for error in retryable)
    assert rule["onExitCodes"] == {
        "containerName": "sync",
        "operator": "NotIn",
        "values": [ExitCode.DONE, *(error.exit_code for error in retryable)],
    }


def test_the_image_copies_no_settings_and_runs_as_a_user_of_its_own() -> None:
    text = (DEPLOY / "container" / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    assert " ".join(copied).split() == ["pyproject.toml", "README.md", "LICENSE", "pipelines", "sources"]
    assert re.search(r"^USER 10001$", text, re.MULTILINE)


def test_every_folder_has_its_section_in_the_guide() -> None:
    guide = (ROOT / "docs" / "scheduling.md").read_text(encoding="utf-8")
    for file in DEPLOY.glob("*/*"):
        assert f"deploy/{file.parent.name}/" in guide, file
