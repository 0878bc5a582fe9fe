"""mlzoo: published systems as plugins, and their numbers as checked claims.

Names are imported on first use, so that ``import mlzoo`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlzoo.config import Config
    from mlzoo.contracts import Finding, Model, OnnxNetwork, TaskData
    from mlzoo.errors import MlzooError
    from mlzoo.experiment import (
        Result,
        evaluate,
        import_weights,
        load_dataset,
        predict,
        resume,
        run,
    )
    from mlzoo.export.exporting import Exported, export_run
    from mlzoo.hookspecs import hookimpl
    from mlzoo.reproduction import Reproduction, reproduce
    from mlzoo.rescoring import rescore
    from mlzoo.run_directory import RunRecord
    from mlzoo.runs import Run
    from mlzoo.specs import (
        DataFile,
        DatasetSpec,
        EvaluatorSpec,
        Identity,
        Metric,
        ModelSpec,
        MtebTask,
        Paper,
        Published,
    )
    from mlzoo.tuning import Tuned, resume_tuning, tune

__version__ = "0.1.0"

_HOMES = {
    "Config": "mlzoo.config",
    "DataFile": "mlzoo.specs",
    "DatasetSpec": "mlzoo.specs",
    "EvaluatorSpec": "mlzoo.specs",
    "Exported": "mlzoo.export.exporting",
    "Finding": "mlzoo.contracts",
    "Identity": "mlzoo.specs",
    "Metric": "mlzoo.specs",
    "MlzooError": "mlzoo.errors",
    "Model": "mlzoo.contracts",
    "ModelSpec": "mlzoo.specs",
    "MtebTask": "mlzoo.specs",
    "OnnxNetwork": "mlzoo.contracts",
    "Paper": "mlzoo.specs",
    "Published": "mlzoo.specs",
    "Reproduction": "mlzoo.reproduction",
    "Result": "mlzoo.experiment",
    "Run": "mlzoo.runs",
    "RunRecord": "mlzoo.run_directory",
    "TaskData": "mlzoo.contracts",
    "Tuned": "mlzoo.tuning",
    "evaluate": "mlzoo.experiment",
    "export_run": "mlzoo.export.exporting",
    "hookimpl": "mlzoo.hookspecs",
    "import_weights": "mlzoo.experiment",
    "load_dataset": "mlzoo.experiment",
    "predict": "mlzoo.experiment",
    "rescore": "mlzoo.rescoring",
    "reproduce": "mlzoo.reproduction",
    "resume": "mlzoo.experiment",
    "resume_tuning": "mlzoo.tuning",
    "run": "mlzoo.experiment",
    "tune": "mlzoo.tuning",
}


def models() -> list[ModelSpec]:
    """The models of all installed plugins."""
    from mlzoo.registry import registry

    return [entry.spec for entry in registry().models]


def datasets() -> list[DatasetSpec]:
    """The datasets of all installed plugins."""
    from mlzoo.registry import registry

    return [entry.spec for entry in registry().datasets]


def evaluators() -> list[EvaluatorSpec]:
    """The evaluators of all installed plugins."""
    from mlzoo.registry import registry

    return [entry.spec for entry in registry().evaluators]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mlzoo' has no attribute {name!r}")


__all__ = [
    "Config",
    "DataFile",
    "DatasetSpec",
    "EvaluatorSpec",
    "Exported",
    "Finding",
    "Identity",
    "Metric",
    "MlzooError",
    "Model",
    "ModelSpec",
    "MtebTask",
    "OnnxNetwork",
    "Paper",
    "Published",
    "Reproduction",
    "Result",
    "Run",
    "RunRecord",
    "TaskData",
    "Tuned",
    "datasets",
    "evaluate",
    "evaluators",
    "export_run",
    "hookimpl",
    "import_weights",
    "load_dataset",
    "models",
    "predict",
    "reproduce",
    "rescore",
    "resume",
    "resume_tuning",
    "run",
    "tune",
]
