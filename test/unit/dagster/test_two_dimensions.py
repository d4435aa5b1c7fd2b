"""Ranges of two-dimensional partitions hold the partitions that were asked for, each once, and no others."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import random
from collections import Counter

import dagster as dg
import pytest

from dagster_project.two_dimensions import all_partitions, rectangles

CELLS = dg.MultiPartitionsDefinition(
    {
        "time": dg.DailyPartitionsDefinition("2017-01-01", end_date="2017-01-09"),
        "value": dg.StaticPartitionsDefinition(["b", "a'", "c=1", "d d", "e"]),
    }
)
# Another project's names, in another order.
TURNED = dg.MultiPartitionsDefinition(
    {"shop": dg.StaticPartitionsDefinition(["b", "a"]), "when": dg.DailyPartitionsDefinition("2017-01-01")}
)
ALL = [str(key) for key in CELLS.get_partition_keys()]


@pytest.mark.parametrize("limit", [None, 1, 2, 5, 7, 1000])
@pytest.mark.parametrize("seed", range(20))
def test_any_cells_are_covered_exactly_by_ranges_of_at_most_the_limit(seed: int, limit: int | None) -> None:
    chosen = random.Random(seed)
    wanted = chosen.sample(ALL, chosen.randint(1, len(ALL)))
    found: Counter[str] = Counter()
    for one in rectangles(CELLS, wanted, limit):
        keys = CELLS.get_partition_keys_in_range(one)
        assert limit is None or len(keys) <= limit
        found.update(str(key) for key in keys)
    assert found == Counter(wanted)


def test_a_whole_rectangle_is_one_range_in_whatever_order_it_is_named() -> None:
    keys = [f"2017-01-0{day}|{shop}" for shop in ("c=1", "b", "a'") for day in (3, 2)]
    [one] = rectangles(CELLS, keys, None)
    assert (one.start, one.end) == ("2017-01-02|b", "2017-01-03|c=1")


def test_the_latest_time_has_all_keys() -> None:
    latest = all_partitions(CELLS, latest=True)
    every = all_partitions(CELLS, latest=False)
    assert latest is not None
    assert every is not None
    assert (latest.start, latest.end) == ("2017-01-08|b", "2017-01-08|e")
    assert (every.start, every.end) == (ALL[0], ALL[-1])


def test_dimensions_may_be_called_otherwise_and_stand_the_other_way_round() -> None:
    [one] = rectangles(TURNED, ["a|2017-01-01", "b|2017-01-01"], None)
    assert (one.start, one.end) == ("b|2017-01-01", "a|2017-01-01")
