"""The figures of the report as values."""

from __future__ import annotations

from corpusmith.workflows.reporting.charts import MOST_BARS, bars, histogram, paired_bars, path


def test_many_names_are_summed_under_one_line_with_both_moments() -> None:
    before = {f"file-{n}": 1 for n in range(30)} | {"big": 100, "(other)": 7}
    after = {f"file-{n}": 1 for n in range(10)} | {"big": 40}
    chart = paired_bars("Rows per source", before, after)
    assert len(chart.bars) == MOST_BARS + 1
    assert chart.bars[0].label == "100 → 40"
    shown = [bar.label.split(" → ") for bar in chart.bars]
    assert sum(int(old) for old, _ in shown) == 137
    assert sum(int(new) for _, new in shown) == 50
    assert chart.bars[-1].name == "all others"


def test_nothing_to_draw_draws_nothing() -> None:
    empty = {"edges": [0, 1, 2], "counts": [0, 0]}
    assert bars("x", {}).bars == bars("x", {"a": 0}).bars == ()
    assert paired_bars("x", {"a": 0}, {}).bars == ()
    assert histogram("x", empty, {"edges": [], "counts": []}).bars == ()


def test_a_path_shows_what_each_step_took() -> None:
    chart = path("Rows", [("ingest", 100), ("exact-dedup", 60), ("grounded-pairs", 90)])
    assert [bar.label for bar in chart.bars] == ["100", "60 (−40)", "90 (+30)"]
    assert [(bar.main, bar.other) for bar in chart.bars] == [(100.0, 0.0), (60.0, 40.0), (90.0, 0.0)]


def test_histograms_share_their_bins_and_leave_empty_ends_out() -> None:
    long = {"edges": [0, 1, 2, 4, 8], "counts": [0, 3, 0, 6]}
    short = {"edges": [0, 1, 2], "counts": [0, 3]}
    chart = histogram("Length", long, short)
    assert [bar.name for bar in chart.bars] == ["1", "2", "4"]
    assert [(bar.other, bar.main) for bar in chart.bars] == [(50.0, 50.0), (0.0, 0.0), (100.0, 0.0)]


def test_a_fine_histogram_is_joined_without_losing_rows() -> None:
    fine = {"edges": list(range(201)), "counts": [1] * 200}
    chart = histogram("Length", fine, fine)
    assert len(chart.bars) <= 36
    assert sum(int(bar.label.split(": ")[1].split(" → ")[0]) for bar in chart.bars) == 200
