"""Evaluate a sensor in TypeScript and one in Python that both do nothing, in turn; print the seconds of each tick."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false, reportUntypedFunctionDecorator=false

import json
import sys
import time
import warnings
from pathlib import Path

import dagster as dg

from dagster_project import TypeScriptAssetsComponent

TICKS = 15


@dg.sensor(target="*", name="plain")
def plain() -> dg.SkipReason:
    """Ask for nothing."""
    return dg.SkipReason("nothing")


def main() -> None:
    """Take the project whose sensor is ``bench/nothing``."""
    warnings.simplefilter("ignore")
    ours = TypeScriptAssetsComponent().build_project_defs(Path(sys.argv[1]))
    repository = dg.Definitions.merge(ours, dg.Definitions(sensors=[plain])).get_repository_def()
    seconds: dict[str, list[float]] = {"bench__nothing": [], "plain": []}
    with dg.instance_for_test() as instance:
        for _ in range(TICKS + 1):
            for name, own in seconds.items():
                sensor = repository.get_sensor_def(name)
                context = dg.build_sensor_context(instance=instance, repository_def=repository)
                start = time.perf_counter()
                sensor.evaluate_tick(context)
                own.append(time.perf_counter() - start)
    # The first one fills caches.
    print(json.dumps({name: own[1:] for name, own in seconds.items()}))


main()
