"""What Dagster loads: the components under ``defs/``, and the executor, set once for the whole location."""

from pathlib import Path

import dagster as dg

from dagster_project.executor import threaded_executor


@dg.definitions
def defs() -> dg.Definitions:
    """Load every component and set the executor."""
    components = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(components, dg.Definitions(executor=threaded_executor))
