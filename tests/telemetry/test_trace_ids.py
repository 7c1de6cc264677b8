from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.telemetry.trace_ids import stable_uuid7


@given(st.floats(0, 4e9), st.text(max_size=20), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_is_a_version_7_uuid_with_its_time_and_repeats(time_s: float, name: str, seq: int) -> None:
    value = stable_uuid7(time_s, name, seq)
    parsed = uuid.UUID(value)
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert parsed.int >> 80 == int(time_s * 1000)
    assert value == stable_uuid7(time_s, name, seq)
    assert value != stable_uuid7(time_s, name, seq + 1)


@pytest.mark.parametrize("time_s", [-1.0, 1e30])
def test_time_out_of_range_is_clamped(time_s: float) -> None:
    assert uuid.UUID(stable_uuid7(time_s, "a")).version == 7
