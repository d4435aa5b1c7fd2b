"""A SQLAlchemy dialect for Hyper, so that Superset can read it: ``postgresql+hyper://user:password@host:port//path``.

``pip install`` this folder into the environment of Superset, and the dialect is found by its name. Superset takes the
database for a PostgreSQL one, whose time grains Hyper shares. For SQLAlchemy 1.4 and 2, over psycopg2.
"""

from typing import Any

from sqlalchemy import text, types
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine.default import DefaultDialect

registry.register("postgresql.hyper", "hyper_dialect", "HyperDialect")

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, d.description
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.objsubid = a.attnum
WHERE n.nspname = :schema AND c.relname = :table AND a.attnum > 0
ORDER BY a.attnum
"""

_TYPES: dict[str, types.TypeEngine[Any]] = {
    "text": types.Text(),
    "character varying": types.String(),
    "character": types.String(),
    "smallint": types.SmallInteger(),
    "integer": types.Integer(),
    "bigint": types.BigInteger(),
    "real": types.Float(),
    "double precision": types.Float(53),
    "boolean": types.Boolean(),
    "date": types.Date(),
    "time": types.Time(),
    "timestamp": types.DateTime(),
    "timestamptz": types.DateTime(timezone=True),
    "bytea": types.LargeBinary(),
    "json": types.JSON(),
}


# Names that Hyper takes in quotes alone, and SQLAlchemy would write without.
_RESERVED = {"collation", "concurrently", "lateral", "tablesample"}


class _Preparer(PGDialect_psycopg2.preparer):
    reserved_words = PGDialect_psycopg2.preparer.reserved_words | _RESERVED


class HyperDialect(PGDialect_psycopg2):
    """Hyper, as far as it is not PostgreSQL: its version, and a catalog without views, keys and indexes."""

    driver = "hyper"
    preparer = _Preparer
    supports_statement_cache = True
    use_native_hstore = False

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        # "Hyper 9.1.0 emulation, …": the PostgreSQL whose protocol it speaks.
        return (9, 1)

    def get_schema_names(self, connection: Any, **kw: Any) -> Any:
        """List the schemas of people."""
        engine_schemas = "'pg_catalog', 'pg_temp', 'tableau', 'information_schema'"
        query = f"SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname NOT IN ({engine_schemas}) ORDER BY nspname"
        return list(connection.execute(text(query)).scalars())

    def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> Any:
        """List the tables of a schema."""
        query = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = :schema ORDER BY tablename"
        return list(connection.execute(text(query), {"schema": schema or "public"}).scalars())

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        """Tell whether a table exists."""
        return table_name in self.get_table_names(connection, schema)

    def get_columns(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        """List the columns of a table, with their comments."""
        rows = connection.execute(text(_COLUMNS), {"schema": schema or "public", "table": table_name})
        return [
            {"name": name, "type": _type(of_type), "nullable": not required, "default": None, "comment": comment}
            for name, of_type, required, comment in rows
        ]

    def get_pk_constraint(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        """Hyper has no primary keys."""
        return {"constrained_columns": [], "name": None}

    def get_table_comment(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        """Hyper has comments on columns only."""
        return {"text": None}

    def get_table_options(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        """Hyper has no options of tables."""
        return {}

    def _nothing(self, *args: Any, **kw: Any) -> Any:
        return []

    get_view_names = get_materialized_view_names = get_temp_view_names = get_sequence_names = _nothing
    get_foreign_keys = get_indexes = get_unique_constraints = get_check_constraints = _nothing


# SQLAlchemy 2 asks for many tables at once: one after the other, by what stands above.
for _name in dir(DefaultDialect):
    if _name.startswith("get_multi_"):
        setattr(HyperDialect, _name, getattr(DefaultDialect, _name))


def _type(name: str) -> types.TypeEngine[Any]:
    """Read the name that Hyper gives to a type, such as ``numeric(12,2)``."""
    kind, _, modifiers = name.rstrip(")").partition("(")
    if kind == "numeric" and modifiers:
        precision, scale = modifiers.split(",")
        return types.Numeric(int(precision), int(scale))
    return _TYPES.get(kind, types.NullType())
