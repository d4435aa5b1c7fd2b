"""The SQLAlchemy dialect on a real Hyper, installed by pip as Superset would."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NODE = ROOT / "node_modules" / ".bin" / "node"
START_SECONDS = 240

# Runs in a process of its own, which finds the dialect by its entry point alone.
READ = """
import datetime, decimal, sys
from sqlalchemy import MetaData, Table, column, create_engine, inspect, literal, select, text, types

engine = create_engine(sys.argv[1])
assert engine.dialect.__class__.__name__ == "HyperDialect", engine.dialect
with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
    connection.execute(text("CREATE SCHEMA shop"))
    connection.execute(text('''CREATE TABLE shop.sales (
        id bigint NOT NULL, small smallint, name text, amount numeric(12,2), price double precision,
        at timestamptz, "day of" date, ok boolean, doc json)'''))
    connection.execute(text('''INSERT INTO shop.sales VALUES
        (1, 2, 'a%b:c', 3.50, 0.5, '2017-01-02 03:04:05+00', '2017-01-02', true, '{"a": 1}')'''))
    connection.execute(text("INSERT INTO shop.sales (id) VALUES (2)"))
    connection.execute(text("COMMENT ON COLUMN shop.sales.id IS 'its number'"))

inspector = inspect(engine)
assert "shop" in inspector.get_schema_names(), inspector.get_schema_names()
assert not {"pg_catalog", "information_schema"} & set(inspector.get_schema_names())
assert inspector.get_table_names("shop") == ["sales"]
assert inspector.get_view_names("shop") == []
assert inspector.has_table("sales", "shop") and not inspector.has_table("sale", "shop")
columns = {column["name"]: column for column in inspector.get_columns("sales", "shop")}
kinds = [
    ("id", types.BigInteger), ("small", types.SmallInteger), ("name", types.Text), ("amount", types.Numeric),
    ("price", types.Float), ("at", types.DateTime), ("day of", types.Date), ("ok", types.Boolean), ("doc", types.JSON),
]
assert list(columns) == [name for name, _ in kinds]
for name, kind in kinds:
    assert isinstance(columns[name]["type"], kind), (name, columns[name])
assert (columns["amount"]["type"].precision, columns["amount"]["type"].scale) == (12, 2)
assert columns["at"]["type"].timezone
assert not columns["id"]["nullable"] and columns["small"]["nullable"]
assert columns["id"]["comment"] == "its number"

sales = Table("sales", MetaData(), schema="shop", autoload_with=engine)
with engine.connect() as connection:
    first, second = connection.execute(select(sales).order_by(sales.c.id)).all()
    moment = datetime.datetime(2017, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    assert tuple(first[:8]) == (
        1, 2, "a%b:c", decimal.Decimal("3.50"), 0.5, moment, datetime.date(2017, 1, 2), True), first
    assert first.doc == {"a": 1}, first
    assert tuple(second) == (2,) + (None,) * 8, second
    for name in ("collation", "concurrently", "lateral", "tablesample", "select", "user", "Name"):
        assert connection.execute(select(literal(1).label(name)).order_by(column(name))).scalar() == 1, name
    named = connection.execute(select(sales.c.id).where(sales.c.name == "a%b:c").limit(5)).scalars().all()
    assert named == [1]
print("read")
"""


@pytest.fixture
def hyper_url(tmp_path: Path) -> Iterator[str]:
    command = [str(NODE), "ops/engines/main.ts", "hyper", "--data-dir", str(tmp_path / "engine")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        assert ready
        url = ""
        while not url.startswith("postgres://"):
            line = process.stdout.readline()
            assert line != ""
            url = line.strip()
        yield url
    finally:
        process.terminate()
        process.wait(60)


def pip_install(target: Path, *what: str) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--target", str(target)]
    subprocess.run([*pip, *what], check=True, cwd=ROOT)


def test_the_dialect_that_pip_installs_reads_schemas_tables_columns_and_rows(hyper_url: str, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    # A copy, since building leaves folders beside the source.
    source = shutil.copytree(ROOT / "resources/hyper/sqlalchemy", tmp_path / "dialect")
    pip_install(packages, "--no-build-isolation", str(source))
    pip_install(packages, "--require-hashes", "-r", str(Path(__file__).parent / "sqlalchemy.lock"))
    url = hyper_url.replace("postgres://", "postgresql+hyper://", 1)
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    result = subprocess.run(
        [sys.executable, "-c", READ, url], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert result.stdout == "read\n", result.stderr
