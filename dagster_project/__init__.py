"""The Dagster side of dagster-typescript: a component, a translator, a launcher and an executor."""

from dagster_project.component import OpOptions, TypeScriptAssetsComponent
from dagster_project.executor import EXCLUSIVE_TAG, ThreadedExecutor, threaded_executor
from dagster_project.launcher import NodeLauncher
from dagster_project.manifest import Manifest, ManifestAsset, ManifestCheck, ManifestError
from dagster_project.tick import NodeEvaluator
from dagster_project.translator import TypeScriptAssetsTranslator

__all__ = [
    "EXCLUSIVE_TAG",
    "Manifest",
    "ManifestAsset",
    "ManifestCheck",
    "ManifestError",
    "NodeEvaluator",
    "NodeLauncher",
    "OpOptions",
    "ThreadedExecutor",
    "TypeScriptAssetsComponent",
    "TypeScriptAssetsTranslator",
    "threaded_executor",
]
