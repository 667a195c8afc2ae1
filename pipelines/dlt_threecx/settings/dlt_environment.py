"""Where dlt finds its settings while this package uses it. Imports dlt."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlt.common import logger
from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigProvider, CustomLoaderDocProvider
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.common.configuration.specs.config_providers_context import ConfigProvidersContainer
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.exec_info import dlt_version_info
from dlt.common.runtime.run_context import RunContext

__all__ = ["dlt_settings_of"]

_ONE_AT_A_TIME = threading.RLock()


class _ProjectContext(RunContext):
    """One project: its `.dlt` folder, whatever DLT_PROJECT_DIR and the working folder are."""

    def __init__(self, project: Path) -> None:
        super().__init__(str(project))
        self._project = str(project.absolute())

    @property
    def run_dir(self) -> str:
        return self._project

    @property
    def local_dir(self) -> str:
        return self._project

    def initial_providers(self) -> list[ConfigProvider]:
        """The environment, the two files of the project, and last our own defaults."""
        return [*super().initial_providers(), CustomLoaderDocProvider("threecx", _defaults, supports_secrets=False)]

    def initialize_runtime(self, runtime_config: RuntimeConfiguration | None = None) -> None:
        """Sets up what dlt logs and reports; nothing but the log unless the user wants to report anything.

        The rest imports requests, which takes a twentieth of a run.
        """
        config = runtime_config or resolve_configuration(RuntimeConfiguration())
        if config.dlthub_telemetry or config.dlthub_dsn or config.sentry_dsn:
            super().initialize_runtime(config)
            return
        self._runtime_config = config
        logger.LOGGER = logger._create_logger(  # noqa: SLF001  dlt's own way, see RunContext.initialize_runtime
            self.name,
            config.log_level,
            config.log_format,
            config.pipeline_name or "",
            dlt_version_info(config.pipeline_name or ""),
        )


_ICEBERG = {
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "16",
    "write.metadata.delete-after-commit.enabled": "true",
}
"""Else a table gets one more manifest with every load, and whoever reads it opens them all. And every load leaves a
list of all loads before it: ten thousand would fill some 30 GB."""


def _defaults() -> dict[str, Any]:
    """What dlt does unless the user says otherwise."""
    # What dlt logs of a failed load is its traceback; our own error says what went wrong.
    level = "ERROR" if logging.getLogger().isEnabledFor(logging.DEBUG) else "CRITICAL"
    return {
        "runtime": {"log_level": level, "dlthub_telemetry": False},
        "load": {"delete_completed_jobs": True},
        # It imports all of Airflow, which takes many seconds.
        "providers": {"enable_airflow_secrets": False},
        "destination": {"filesystem": {"iceberg_table_properties": _ICEBERG}},
    }


@contextmanager
def dlt_settings_of(project: Path) -> Iterator[None]:
    """Inside, dlt reads the settings of this project, from its files and the environment; after that as before.

    dlt has one such context for the whole process, so two threads take turns here.
    """
    own, container = _ProjectContext(project), Container()
    with _ONE_AT_A_TIME:
        if PluggableRunContext not in container:
            with container.injectable_context(PluggableRunContext(own)):
                yield
            return
        # Somebody uses dlt already: not even its log and telemetry are started again.
        plugged = container[PluggableRunContext]
        before = plugged.context, plugged.providers
        plugged.context, plugged.providers = own, ConfigProvidersContainer(own.initial_providers())
        try:
            plugged.providers.add_extras()
            yield
        finally:
            plugged.context, plugged.providers = before
