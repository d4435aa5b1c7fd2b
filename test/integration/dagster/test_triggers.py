"""Sensors and schedules on a Dagster instance, with Node behind them: what a tick asks for, and how it fails."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData

from dagster_project import OpOptions, TypeScriptAssetsComponent
from dagster_project.tick import TickError, TickInput

ROOT = Path(__file__).parents[3]
FIXTURE = Path(__file__).parent / "fixtures" / "triggers"
SECRET = "hunter2-is-no-secret"
BY_DAY = dg.AssetKey(["shop", "by_day"])
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


class Lines(logging.Handler):
    """What was logged, as `LEVEL message`."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class Triggers:
    """A project of sensors and schedules, and an instance for them."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance
        self.repository = TypeScriptAssetsComponent().build_project_defs(folder).get_repository_def()
        self.log: list[str] = []

    def sense(self, name: str, cursor: str | None = None) -> Any:
        """Evaluate a sensor as its daemon does."""
        context = dg.SensorEvaluationContext(
            instance_ref=self.instance.get_ref(),
            instance=self.instance,
            repository_def=self.repository,
            cursor=cursor,
            sensor_name=f"shop__{name}",
        )
        lines = Lines()
        self.log = lines.lines
        context.log.addHandler(lines)
        try:
            return self.repository.get_sensor_def(f"shop__{name}").evaluate_tick(context)
        finally:
            context.log.removeHandler(lines)

    def schedule(self, name: str, at: str) -> Any:
        """Evaluate a schedule as its daemon does."""
        time_of_tick = datetime.fromisoformat(at).astimezone(timezone.utc)
        context = dg.build_schedule_context(
            instance=self.instance, repository_def=self.repository, scheduled_execution_time=time_of_tick
        )
        return self.repository.get_schedule_def(f"shop__{name}").evaluate_tick(context)

    def failure(self, name: str, cursor: str | None = None) -> str:
        """The message of a sensor's failing tick."""
        with pytest.raises(Exception) as raised:  # noqa: PT011
            self.sense(name, cursor)
        return message_of(raised.value)


def message_of(error: BaseException | None) -> str:
    """Dagster puts what a tick raised one level down."""
    while error is not None and not isinstance(error, TickError):
        error = error.__cause__
    assert error is not None
    return str(error)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triggers") / "project"
    shutil.copytree(FIXTURE, folder)
    for name in ("runtime", "definitions", "pipes", "resources", "node_modules", "package.json"):
        (folder / name).symlink_to(ROOT / name)
    node = ROOT / "node_modules" / ".bin" / "node"
    built = subprocess.run([node, "runtime/manifest.ts"], cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def triggers(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triggers]:
    os.environ["TILL_PASSWORD"] = SECRET
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield Triggers(project, instance)
    del os.environ["TILL_PASSWORD"]


def of(requests: Sequence[dg.RunRequest]) -> list[tuple[str | None, str | None, list[str]]]:
    """Key, partitions and assets of runs that were asked for."""
    return [
        (
            one.run_key,
            one.partition_key or ("...".join(one.tags[tag] for tag in RANGE) if RANGE[0] in one.tags else None),
            [key.path[-1] for key in one.asset_selection or ()],
        )
        for one in requests
    ]


def test_a_declaration_shows_in_dagster(triggers: Triggers) -> None:
    sensor = triggers.repository.get_sensor_def("shop__counts")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 45
    assert sensor.description == "Behaves as its name says."
    schedule = triggers.repository.get_schedule_def("shop__nightly_in_berlin")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 0 * * *", "Europe/Berlin")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert triggers.repository.get_schedule_def("shop__hourly").default_status == dg.DefaultScheduleStatus.STOPPED


def test_a_tick_asks_for_runs_logs_and_hands_its_cursor_to_the_next(triggers: Triggers) -> None:
    first = triggers.sense("counts")
    assert of(first.run_requests) == [("run 1", None, ["plain"])]
    assert triggers.log == [f"INFO tick 1 at {datetime.now(timezone.utc).year}", "WARNING careful"]
    assert json.loads(first.cursor) == {"n": 1}
    second = triggers.sense("counts", first.cursor)
    assert of(second.run_requests) == [("run 2", None, ["plain"])]
    tags = second.run_requests[0].tags
    assert (tags["domain"], tags["n"]) == ("sales", "2")


def test_a_tick_without_runs_says_why(triggers: Triggers) -> None:
    result = triggers.sense("skips")
    assert (result.run_requests, result.skip_message, result.cursor) == ([], "nothing to do", None)


def test_partitions_that_follow_each_other_are_one_run(triggers: Triggers) -> None:
    assert of(triggers.sense("stretches").run_requests) == [
        ("a 2017-01-01...2017-01-03", "2017-01-01...2017-01-03", ["by_day"]),
        ("a 2017-02-01...2017-02-01", "2017-02-01", ["by_day"]),
        ("b", "2017-03-01...2017-03-31", ["by_day"]),
        ("c", "2017-04-01", ["by_day", "plain"]),
    ]


def test_a_huge_range_is_cut_as_the_backfill_policy_says(project: Path, triggers: Triggers) -> None:
    class InTens(TypeScriptAssetsComponent):
        """Takes ten partitions a run."""

    component = InTens()
    component.op = OpOptions(backfill_policy=dg.BackfillPolicy.multi_run(10))
    other = Triggers(project, triggers.instance)
    other.repository = component.build_project_defs(project).get_repository_def()
    cut = [partitions for key, partitions, _ in of(other.sense("stretches").run_requests) if key and key[0] == "b"]
    assert cut == [
        "2017-03-01...2017-03-10",
        "2017-03-11...2017-03-20",
        "2017-03-21...2017-03-30",
        "2017-03-31",
    ]


def test_partitions_are_added_before_the_runs_that_need_them(triggers: Triggers) -> None:
    triggers.instance.add_dynamic_partitions("stores", ["rome"])
    result = triggers.sense("adds")
    assert of(result.run_requests) == [("x", "paris", ["by_store"])]
    assert [(type(one).__name__, one.partition_keys) for one in result.dynamic_partitions_requests] == [
        ("AddDynamicPartitionsRequest", ["berlin", "paris"]),
        ("DeleteDynamicPartitionsRequest", ["rome"]),
    ]
    triggers.instance.delete_dynamic_partition("stores", "rome")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no_such_day", ["'2999-01-01' is no partition of shop/by_day"]),
        ("before_the_first_day", ["'2016-12-31' is no partition of shop/by_day"]),
        ("no_such_store", ["'rome' is no partition of shop/by_store"]),
        ("adds_to_nothing", ["no asset has the dynamic partitions 'storez': expected one of new_stores, stores"]),
        ("throws", ["the sensor shop/throws failed: Error: the till is on fire", "sensors.ts:", "the till smokes"]),
        ("throws_nothing", ["the sensor shop/throws_nothing failed: Error: null"]),
        ("throws_later", ["failed: Error: nobody waited for me"]),
        ("never_settles", ["waits for something that never comes"]),
        ("nonsense", ["TickResultError: the sensor shop/nonsense returned something wrong", "received number"]),
        ("wrong_cursor", ["cursor: n: Invalid input: expected number, received string"]),
        ("exits", ["ended without an answer (its process ended with exit code 0)"]),
        ("is_killed", ["ended without an answer (its process was ended by SIGKILL)"]),
        ("answers_too_much", ["bytes, and at most 8,388,608 are read"]),
        ("spins", ["took longer than its limit of 1 s, did not listen, and was killed"]),
        ("listens", ["took longer than its limit of 1 s"]),
    ],
)
def test_a_tick_that_goes_wrong_fails_and_says_how(triggers: Triggers, name: str, expected: list[str]) -> None:
    message = triggers.failure(name)
    for text in expected:
        assert text in message
    assert SECRET not in message


def test_what_was_logged_before_a_failure_is_in_the_log_of_the_tick(triggers: Triggers) -> None:
    triggers.failure("throws")
    assert "INFO about to fail with [redacted]" in triggers.log
    triggers.failure("listens")
    assert "INFO listening" in triggers.log


def test_a_tick_that_hangs_leaves_no_process_behind(triggers: Triggers) -> None:
    assert "took longer than its limit of 1 s" in triggers.failure("waits")
    pids = [int(pid) for pid in (triggers.folder / "waits.pid").read_text().split()]
    deadline = time.monotonic() + 60
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list((triggers.folder / ".state" / "pipes").iterdir()) == []


def test_a_tick_ends_with_the_process_that_asked_for_it_even_while_it_is_busy(project: Path, tmp_path: Path) -> None:
    spins = project / "spins"
    spins.unlink(missing_ok=True)
    node = subprocess.Popen(
        [ROOT / "node_modules" / ".bin" / "node", "runtime/evaluate.ts", "shop/spins", tmp_path],
        cwd=project,
        stdin=subprocess.PIPE,
    )
    assert node.stdin is not None
    node.stdin.write(TickInput(datetime.now(timezone.utc)).as_line())
    node.stdin.flush()
    deadline = time.monotonic() + 60
    while not spins.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    node.stdin.close()
    assert node.wait(timeout=60) == -signal.SIGKILL


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_tick_prints_is_no_answer_and_its_end_is_in_the_log(triggers: Triggers) -> None:
    assert triggers.sense("prints").skip_message == "printed"
    stdout, stderr = triggers.log
    assert "printed enough" in stdout
    assert "yyy" in stderr
    assert len(stdout + stderr) < 10_000


def test_a_log_without_end_is_cut(triggers: Triggers) -> None:
    assert triggers.sense("logs_much").skip_message == "logged"
    assert len(triggers.log) == 1_000
    assert triggers.log[0] == "INFO line 0"
    assert "left out" in triggers.log[-1]


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("nightly", "2017-03-02T03:00:00+00:00", [(None, "2017-03-01", ["by_day", "plain"])]),
        ("nightly", "2017-01-01T03:00:00+00:00", "there is no partition yet"),
        # In winter half past midnight in Berlin is half past eleven in UTC, in summer half past ten.
        ("nightly_in_berlin", "2017-03-26T00:30:00+01:00", [(None, "2017-03-25", ["by_berlin_day"])]),
        ("nightly_in_berlin", "2017-03-27T00:30:00+02:00", [(None, "2017-03-26", ["by_berlin_day"])]),
        ("hourly", "2017-01-01T05:05:00+00:00", [(None, "2017-01-01-04:00", ["by_hour"])]),
        ("plainly", "2017-01-01T03:00:00+00:00", [(None, None, ["plain"])]),
        ("decides", "2017-01-08T03:00:00+00:00", "not on Sundays"),
        (
            "decides",
            "2017-01-09T03:00:00+00:00",
            [
                ("shop/plain", None, ["plain"]),
                ("shop/by_day 2017-01-01...2017-01-09", "2017-01-01...2017-01-09", ["by_day"]),
            ],
        ),
    ],
)
def test_a_schedule_asks_for_the_partitions_of_its_time(
    triggers: Triggers, name: str, at: str, expected: str | list[Any]
) -> None:
    result = triggers.schedule(name, at)
    if isinstance(expected, str):
        assert result.run_requests == []
        assert result.skip_message == expected
    else:
        assert of(result.run_requests) == expected


def test_a_schedule_of_all_partitions_takes_those_that_there_are(triggers: Triggers) -> None:
    at = "2017-01-01T03:00:00+00:00"
    assert triggers.schedule("all_stores", at).skip_message == "there is no partition yet"
    triggers.instance.add_dynamic_partitions("stores", ["a", "b", "c"])
    assert of(triggers.schedule("all_stores", at).run_requests) == [(None, "a...c", ["by_store"])]
    for store in ("a", "b", "c"):
        triggers.instance.delete_dynamic_partition("stores", store)


def test_a_schedule_of_checks_asks_for_those_alone(triggers: Triggers) -> None:
    [request] = list(triggers.schedule("checked", "2017-03-02T03:00:00+00:00").run_requests or ())
    by_day = dg.AssetCheckKey(dg.AssetKey(["shop", "by_day"]), "row_count")
    assert (request.asset_selection, request.asset_check_keys) == ([], [by_day])
    assert request.partition_key == "2017-03-01"
    # What the daemon launches of it.
    job = triggers.repository.get_job(triggers.repository.get_schedule_def("shop__checked").job_name).get_subset(
        asset_selection=frozenset(request.asset_selection), asset_check_selection=frozenset(request.asset_check_keys)
    )
    assert (set(job.asset_layer.executable_asset_keys), set(job.asset_layer.asset_graph.asset_check_keys)) == (
        set(),
        {by_day},
    )


def test_a_schedule_that_fails_says_how(triggers: Triggers) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        triggers.schedule("fails", "2017-01-01T03:00:00+00:00")
    assert "the schedule shop/fails failed: Error: no time today" in message_of(raised.value)


def materialize(instance: dg.DagsterInstance, versions: dict[str, str], end: dg.DagsterEventType | None) -> str:
    """Record what a run of the launcher does: the range first, then each partition with its version."""
    run = instance.create_run_for_job(NOTHING)
    for partition in versions:
        report(instance, run.run_id, partition, "of the whole range")
    for partition, version in versions.items():
        report(instance, run.run_id, partition, version)
    record(instance, run.run_id, dg.DagsterEventType.RUN_START)
    if end is not None:
        record(instance, run.run_id, end)
    return run.run_id


def report(instance: dg.DagsterInstance, run_id: str, partition: str, version: str) -> None:
    materialization = dg.AssetMaterialization(BY_DAY, partition=partition, tags={"dagster/data_version": version})
    record(
        instance,
        run_id,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        StepMaterializationData(materialization),
    )


def record(
    instance: dg.DagsterInstance,
    run_id: str,
    kind: dg.DagsterEventType,
    data: StepMaterializationData | None = None,
) -> None:
    instance.report_dagster_event(dg.DagsterEvent(kind.value, "nothing", event_specific_data=data), run_id)


@dg.job(name="nothing")
def NOTHING() -> None:
    pass


def test_a_sensor_follows_the_data_of_another_asset_and_not_its_runs(triggers: Triggers) -> None:
    instance = triggers.instance
    materialize(instance, {"2017-01-01": "a", "2017-01-02": "b"}, dg.DagsterEventType.RUN_SUCCESS)
    before = triggers.sense("follows")
    assert (before.run_requests, before.skip_message) == ([], "shop/by_day was not materialised")

    materialize(instance, {"2017-01-01": "a", "2017-01-02": "c"}, dg.DagsterEventType.RUN_SUCCESS)
    changed = triggers.sense("follows", before.cursor)
    assert [partitions for _, partitions, _ in of(changed.run_requests)] == ["2017-01-02"]
    again = triggers.sense("follows", before.cursor)
    assert of(again.run_requests) == of(changed.run_requests), "the same news have the same run key"
    assert triggers.sense("follows", changed.cursor).run_requests == []

    materialize(instance, {"2017-01-01": "a"}, dg.DagsterEventType.RUN_SUCCESS)
    same = triggers.sense("follows", changed.cursor)
    assert (same.run_requests, same.skip_message) == ([], "shop/by_day has the same data as before")

    run_id = materialize(instance, {"2017-01-03": "d", "2017-01-04": "e"}, None)
    running = triggers.sense("follows", same.cursor)
    assert running.run_requests == [], "its run may materialise it again"
    record(instance, run_id, dg.DagsterEventType.RUN_FAILURE)
    ended = triggers.sense("follows", running.cursor)
    assert [partitions for _, partitions, _ in of(ended.run_requests)] == ["2017-01-03...2017-01-04"]

    instance.report_runless_asset_event(dg.AssetMaterialization(BY_DAY, partition="2017-01-05"))
    by_hand = triggers.sense("follows", ended.cursor)
    assert [partitions for _, partitions, _ in of(by_hand.run_requests)] == ["2017-01-05"]


def test_a_cursor_that_somebody_broke_fails_the_tick(triggers: Triggers) -> None:
    for name in ("follows", "counts"):
        assert "empty" in triggers.failure(name, "{broken")


def test_a_faulty_sensor_is_shown_with_its_fault_and_hides_no_other(project: Path, tmp_path: Path) -> None:
    manifest = json.loads((project / "manifest.json").read_text())
    sensor = manifest["sensors"][0]
    manifest["sensors"].append({**sensor, "key": ["shop", "lost"], "assets": [["shop", "nowhere"]]})
    manifest["faults"] = [
        {"code": "bad_option", "asset": ["shop", "odd"], "file": "assets/shop/odd.ts", "line": 3, "message": "odd"}
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    repository = TypeScriptAssetsComponent().build_project_defs(tmp_path).get_repository_def()
    names = {one.name for one in repository.sensor_defs}
    assert "shop__counts" in names
    assert "shop__lost" not in names
    nodes = repository.asset_graph
    for key, text in (("lost", "there is no asset shop/nowhere"), ("odd", "odd")):
        node = nodes.get(dg.AssetKey(["shop", key]))
        assert "fault" in node.kinds
        assert text in (node.description or "")


def test_cells_of_two_dimensions_are_one_run_for_each_rectangle_and_no_cell_more(triggers: Triggers) -> None:
    assert of(triggers.sense("cells").run_requests) == [
        ("a 2017-01-01|berlin...2017-01-02|o'hare", "2017-01-01|berlin...2017-01-02|o'hare", ["by_cell"]),
        ("a 2017-01-03|berlin...2017-01-03|berlin", "2017-01-03|berlin", ["by_cell"]),
        ("a 2017-01-05|berlin...2017-01-05|berlin", "2017-01-05|berlin", ["by_cell"]),
        ("a 2017-01-05|rome=1...2017-01-05|rome=1", "2017-01-05|rome=1", ["by_cell"]),
        ("b", "2017-02-01|o'hare...2017-02-28|rome=1", ["by_cell"]),
        ("c", "2017-03-01|rome=1", ["by_cell"]),
    ]


def test_cells_are_cut_into_rectangles_of_as_many_as_a_run_may_take(triggers: Triggers) -> None:
    assert [found for _, found, _ in of(triggers.sense("few_cells").run_requests)] == [
        "2017-01-01|a...2017-01-01|c",
        "2017-01-02|a...2017-01-02|c",
    ]


def test_a_schedule_takes_all_cells_of_the_latest_day_or_all_cells(triggers: Triggers) -> None:
    latest = triggers.schedule("latest_cells", "2017-01-05T03:00:00+00:00")
    assert of(latest.run_requests) == [(None, "2017-01-04|berlin...2017-01-04|rome=1", ["by_cell"])]
    every = triggers.schedule("all_cells", "2017-01-04T03:00:00+00:00")
    assert [found for _, found, _ in of(every.run_requests)] == [
        f"2017-01-0{day}|a...2017-01-0{day}|c" for day in (1, 2, 3)
    ]
    nothing = triggers.schedule("latest_new_cells", "2017-01-05T03:00:00+00:00")
    assert (nothing.run_requests, nothing.skip_message) == ([], "there is no partition yet")


def test_a_tick_names_cells_that_exist_or_will(triggers: Triggers) -> None:
    assert triggers.failure("no_such_cell") == "'2999-01-01|berlin' is no partition of shop/by_cell"
    assert of(triggers.sense("new_cell").run_requests) == [("x", "2017-01-01|oslo", ["by_new_cell"])]
    # Dagster would take it, and never show a partition of it.
    assert "'a|b' for 'new_stores': Dagster takes no |" in triggers.failure("hostile_cell")


def test_a_cell_reads_the_cell_that_its_file_says(triggers: Triggers) -> None:
    graph = triggers.repository.asset_graph
    graph.validate_partitions()
    after, by_cell = (dg.AssetKey(["shop", name]) for name in ("after_cells", "by_cell"))
    mine, other = (graph.get(key).partitions_def for key in (after, by_cell))
    assert mine is not None
    assert other is not None
    found = graph.get_partition_mapping(after, by_cell).get_upstream_mapped_partitions_result_for_partitions(
        mine.subset_with_partition_keys(["2017-01-05|o'hare"]), mine, other
    )
    assert list(found.partitions_subset.get_partition_keys()) == ["2017-01-04|o'hare"]
