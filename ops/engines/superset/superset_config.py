# pyright: reportMissingImports=false, reportUnusedImport=false
"""Settings of the local Superset. What differs from one data folder to the next comes in the environment."""

import os
import sys
from typing import Any

# Makes SQLAlchemy know `postgresql+hyper://`.
sys.path.append(os.environ["SUPERSET_DIALECTS"])
import hyper_dialect  # noqa: F401

SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_METADATA_URL"]
SQLALCHEMY_ENGINE_OPTIONS = {"pool_pre_ping": True, "pool_recycle": 300}

FAB_API_KEY_ENABLED = True

_DAY = 24 * 60 * 60


def _cache(name: str, timeout_seconds: int) -> dict[str, Any]:
    redis_url = os.environ.get("SUPERSET_REDIS_URL")
    if redis_url:
        return {
            "CACHE_TYPE": "RedisCache",
            "CACHE_REDIS_URL": redis_url,
            "CACHE_KEY_PREFIX": f"{os.environ['SUPERSET_CACHE_PREFIX']}_{name}_",
            "CACHE_DEFAULT_TIMEOUT": timeout_seconds,
            # A Redis that hangs costs a request these seconds, not its whole time.
            "CACHE_OPTIONS": {"socket_timeout": 5, "socket_connect_timeout": 2},
        }
    return {
        "CACHE_TYPE": "FileSystemCache",
        "CACHE_DIR": os.path.join(os.environ["SUPERSET_HOME"], "cache", name),
        "CACHE_DEFAULT_TIMEOUT": timeout_seconds,
        "CACHE_THRESHOLD": 20_000,
    }


CACHE_CONFIG = _cache("metadata", _DAY)
# For datasets that say nothing themselves.
DATA_CACHE_CONFIG = _cache("data", 15 * 60)
FILTER_STATE_CACHE_CONFIG = _cache("filters", 30 * _DAY)
EXPLORE_FORM_DATA_CACHE_CONFIG = _cache("explore", 7 * _DAY)
