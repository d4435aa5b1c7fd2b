"""Load definitions and print how long that took, without the import of Dagster and of this project's Python."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

import dagster as dg

from dagster_project import TypeScriptAssetsComponent


def main() -> None:
    """Load ``ours`` from a project, or ``plain`` from a folder with a Python module; or compare the two."""
    what, project, plain = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    sys.path.insert(0, plain)
    warnings.simplefilter("ignore")
    if what == "compare":
        _require_same(_ours(project), _plain())
        return
    start = time.perf_counter()
    defs = _ours(project) if what == "ours" else _plain()
    built = time.perf_counter()
    repository = defs.get_repository_def()
    loaded = time.perf_counter()
    keys = len(repository.asset_graph.executable_asset_keys)
    print(json.dumps({"definitions": built - start, "repository": loaded - built, "assets": keys}))


def _ours(project: Path) -> dg.Definitions:
    return TypeScriptAssetsComponent().build_project_defs(project)


def _plain() -> dg.Definitions:
    defs: dg.Definitions = import_module("plain_definitions").defs
    return defs


def _require_same(ours: dg.Definitions, plain: dg.Definitions) -> None:
    """Exit with a message when the two do not declare the same."""
    # Ours are also skippable, as their checks can be executed without them.
    sides = [
        {spec.key: spec.replace_attributes(skippable=False) for spec in defs.resolve_all_asset_specs()}
        for defs in (ours, plain)
    ]
    for key in sides[0].keys() | sides[1].keys():
        if sides[0].get(key) != sides[1].get(key):
            sys.exit(f"not the same: {sides[0].get(key)}\n{sides[1].get(key)}")
    checks = [set(defs.resolve_asset_graph().asset_check_keys) for defs in (ours, plain)]
    if checks[0] != checks[1]:
        sys.exit("not the same checks")


main()
