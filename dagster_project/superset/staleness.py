"""Which dashboard shows old data, and because of which asset: a check on each, judged again when something changes."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from dagster_project.manifest import Key, Manifest, ManifestAsset
from dagster_project.superset.nodes import SNAPSHOT, is_configured, superset_nodes
from dagster_project.superset.versions import latest_version, materialization_metadata

CHECK = "up_to_date"
SENSOR = "superset_up_to_date"
INTERVAL_SECONDS = 30
_SHOWN = 5
_FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)

AssetKeyOf = Callable[[Key], dg.AssetKey]


@dataclass(frozen=True)
class Cause:
    """Why a dashboard shows old data."""

    asset: dg.AssetKey
    reason: str
    run_id: str | None


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one dashboard."""

    dashboard: dg.AssetKey
    causes: Sequence[Cause]
    chain: str
    is_known: bool
    """Whether any of its datasets was ever synced."""

    @property
    def passed(self) -> bool:
        """Whether it shows what its tables hold."""
        return not self.causes

    @property
    def digest(self) -> str:
        """Changes with what is said."""
        said = json.dumps([[cause.reason for cause in self.causes], self.chain])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the check shows: from the dashboard to the datasets, their tables and the runs that published them."""
        found: dict[str, Any] = {"shows": dg.MetadataValue.md(self.chain)}
        if self.causes:
            first = self.causes[0]
            found["stale_because"] = "; ".join(cause.reason for cause in self.causes)
            found["stale_asset"] = dg.MetadataValue.asset(first.asset)
            if first.run_id is not None:
                found["stale_run"] = dg.MetadataValue.dagster_run(first.run_id)
        return found


class Staleness:
    """Judges the dashboards of a manifest."""

    def __init__(self, manifest: Manifest, asset_key: AssetKeyOf) -> None:
        """Take what is declared, and the names in Dagster."""
        self._assets = {asset.key: asset for asset in manifest.assets}
        self._asset_key = asset_key
        self.dashboards = superset_nodes(manifest, "dashboard")

    def judge(self, instance: dg.DagsterInstance, dashboards: Iterable[ManifestAsset] | None = None) -> list[Verdict]:
        """Return a verdict for each dashboard."""
        wanted = list(self.dashboards if dashboards is None else dashboards)
        upstream = {dashboard.key: self._upstream(dashboard) for dashboard in wanted}
        failed = self._failed(instance, {key for keys in upstream.values() for key in keys})
        # Several dashboards may show the same one.
        datasets = {dep: self._dataset(instance, dep) for dep in {dep for each in wanted for dep in each.deps}}
        verdicts: list[Verdict] = []
        for dashboard in wanted:
            causes = [failed[key] for key in upstream[dashboard.key] if key in failed]
            rows: list[str] = []
            is_known = False
            for dep in dashboard.deps:
                row, was_synced, behind = datasets[dep]
                rows.append(row)
                is_known |= was_synced
                # A failure says more than that its outcome is missing.
                if behind is not None and not causes:
                    causes = [behind]
            chain = "\n".join(["| dataset | table | published by run |", "| --- | --- | --- |", *rows])
            verdicts.append(Verdict(self._asset_key(dashboard.key), causes, chain, is_known))
        return verdicts

    def _upstream(self, dashboard: ManifestAsset) -> list[Key]:
        """The dashboard and all that it needs, each after what it needs itself."""
        ordered: dict[Key, None] = {}

        def visit(key: Key, way: frozenset[Key]) -> None:
            if key in ordered or key in way:
                return
            asset = self._assets.get(key)
            # What a snapshot follows are all tables, also those that this dashboard does not show.
            for dep in asset.deps if asset is not None and key != SNAPSHOT else ():
                visit(dep, way | {key})
            ordered[key] = None

        visit(dashboard.key, frozenset())
        return list(ordered)

    def _failed(self, instance: dg.DagsterInstance, keys: set[Key]) -> Mapping[Key, Cause]:
        """Those whose last run failed before it materialised them; not those that only follow one of them."""
        names = {self._asset_key(key): key for key in keys}
        suspects: dict[Key, str] = {}
        partitions = self._unfinished_partitions(instance, keys)
        for record in instance.get_asset_records(list(names)):
            entry = record.asset_entry
            done = entry.last_materialization_record
            if entry.last_run_id and (done is None or done.run_id != entry.last_run_id):
                suspects[names[entry.asset_key]] = entry.last_run_id
        run_ids = {*suspects.values(), *(run_id for found in partitions.values() for run_id in found.values())}
        if not run_ids:
            return {}
        runs = instance.get_runs(filters=dg.RunsFilter(run_ids=list(run_ids)))
        failed = {run.run_id for run in runs if run.status in _FAILED}
        broken = {key: run_id for key, run_id in suspects.items() if run_id in failed}
        missing: dict[Key, list[str]] = {}
        for key, found in partitions.items():
            of_key = sorted(partition for partition, run_id in found.items() if run_id in failed)
            if of_key:
                missing[key] = of_key
                broken[key] = found[of_key[-1]]
        return {
            key: Cause(
                self._asset_key(key), f"{'/'.join(key)} failed{_named(missing.get(key))} in run {run_id[:8]}", run_id
            )
            for key, run_id in broken.items()
            if not self._follows_one_of(key, {other for other, its in broken.items() if its == run_id})
        }

    def _unfinished_partitions(self, instance: dg.DagsterInstance, keys: set[Key]) -> Mapping[Key, Mapping[str, str]]:
        """Partitions whose latest run did not materialise them, whatever became of others since; and that run."""
        found: dict[Key, Mapping[str, str]] = {}
        for key in keys:
            asset = self._assets.get(key)
            if asset is None or asset.partitions is None:
                continue
            storage = instance.event_log_storage
            attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(
                self._asset_key(key)
            )
            found[key] = {partition: run_id for partition, (run_id, _) in attempts.items()}
        return found

    def _follows_one_of(self, key: Key, others: set[Key]) -> bool:
        asset = self._assets.get(key)
        deps = asset.deps if asset is not None else ()
        return any(dep in others or self._follows_one_of(dep, others) for dep in deps)

    def _dataset(self, instance: dg.DagsterInstance, key: Key) -> tuple[str, bool, Cause | None]:
        """A line of the table, whether the dataset was ever synced, and why it is behind its table, if it is."""
        node = self._assets.get(key)
        table = node.deps[0] if node is not None and node.deps else key
        version = latest_version(instance, self._asset_key(table))
        metadata = materialization_metadata(instance, self._asset_key(key))
        shown = metadata.get("table_data_version")
        run = metadata.get("published_by")
        row = f"| {'/'.join(key)} | {'/'.join(table)} | {run.value if run is not None else 'not known'} |"
        if version is None or (shown is not None and shown.value == version.data_version):
            return row, shown is not None, None
        what = "was never synced" if shown is None else "was not synced since"
        reason = f"{'/'.join(key)} {what}: {'/'.join(table)} was published by run {version.run_id[:8]}"
        return row, shown is not None, Cause(self._asset_key(key), reason, version.run_id)


def _named(partitions: Sequence[str] | None) -> str:
    """Of a few partitions all, else the last ones."""
    if partitions is None:
        return ""
    names = ", ".join(partitions[-_SHOWN:])
    return f" for {names}" if len(partitions) <= _SHOWN else f" for {len(partitions)} partitions, such as {names}"


def staleness_checks(staleness: Staleness, asset_key: AssetKeyOf) -> list[dg.AssetChecksDefinition]:
    """Return a check for each dashboard, which anybody may execute."""
    return [_check(staleness, dashboard, asset_key(dashboard.key)) for dashboard in staleness.dashboards]


def _check(staleness: Staleness, dashboard: ManifestAsset, key: dg.AssetKey) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=key,
        name=CHECK,
        description="Everything that the dashboard shows has been computed, and is in Superset.",
    )
    def up_to_date(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        [verdict] = staleness.judge(context.instance, [dashboard])
        return dg.AssetCheckResult(
            passed=verdict.passed, metadata=verdict.metadata, severity=dg.AssetCheckSeverity.WARN
        )

    return up_to_date


def staleness_sensor(staleness: Staleness) -> dg.SensorDefinition:
    """Return the sensor that records a verdict whenever it, or what it names, becomes another one."""
    status = dg.DefaultSensorStatus.RUNNING if is_configured() else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=SENSOR,
        description="Says which dashboard shows old data, and because of which asset.",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=status,
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        told: dict[str, str] = json.loads(context.cursor or "{}")
        now: dict[str, str] = {}
        events: list[dg.AssetCheckEvaluation] = []
        verdicts = staleness.judge(context.instance)
        for verdict in verdicts:
            name = verdict.dashboard.to_user_string()
            # Before anything was synced there is nothing to say.
            if verdict.passed and not verdict.is_known:
                continue
            now[name] = verdict.digest
            if now[name] != told.get(name):
                events.append(
                    dg.AssetCheckEvaluation(
                        asset_key=verdict.dashboard,
                        check_name=CHECK,
                        passed=verdict.passed,
                        metadata=verdict.metadata,
                        severity=dg.AssetCheckSeverity.WARN,
                    )
                )
        stale = [verdict.dashboard.to_user_string() for verdict in verdicts if not verdict.passed]
        return dg.SensorResult(
            asset_events=events,
            cursor=json.dumps(now),
            skip_reason=f"stale: {', '.join(stale)}" if stale else "all dashboards are up to date",
        )

    return tick
