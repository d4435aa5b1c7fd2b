"""What the tests of the Dagster side share."""

from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage


@pytest.fixture(autouse=True)
def no_instance_of_another_test() -> Iterator[None]:
    """Forget the instance that a tick opened by itself: Dagster would load the next definitions from its storage."""
    with set_defs_state_storage(None):
        yield
