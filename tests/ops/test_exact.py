from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.ops.exact import exact_leaders


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12), st.randoms())
def test_the_first_visited_of_equal_keys_leads_and_empty_rows_stand_alone(keys: list[tuple[int, int]], random) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(keys)))
    random.shuffle(order)
    leader: dict[tuple[int, int], int] = {}
    for row in order:
        leader.setdefault(keys[row], row)
    expected = [row if key == (0, 0) else leader[key] for row, key in enumerate(keys)]
    pairs = np.array(keys, np.uint64).reshape(-1, 2)
    assert exact_leaders(pairs[:, 0], pairs[:, 1], np.array(order, np.int64)).tolist() == expected
