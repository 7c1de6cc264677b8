from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tiny_tokenizers import CHATML, NO_SYSTEM, byte_tokenizer

from corpusmith.core.errors import Cancelled, PreconditionError
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.preparing import LONGEST_WINDOW, Fitting, Rows, prepare

FORM = ChatFormat(byte_tokenizer(CHATML))


def chats(count: int, said: str = "It is {}.") -> Rows:
    return Rows("chats", [(f"c{n}", [("user", f"Say {n}"), ("assistant", said.format(n))]) for n in range(count)])


def rows_in(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def test_examples_are_packed_and_the_holdout_stands_apart(tmp_path: Path) -> None:
    told: list[str] = []
    done = prepare([chats(20)], chats(4), FORM, tmp_path, Fitting(sequence_length=64), emit=told.append)
    assert (done.examples, done.holdout_examples, done.dropped, done.gone) == (20, 4, {}, ())
    rows = rows_in(tmp_path / "train.parquet")
    assert len(rows) == done.rows < 20
    assert sum(row["position_ids"].count(0) for row in rows) == 20
    assert max(len(row["input_ids"]) for row in rows) <= done.sequence_length
    assert "<- recommended" in told[0]
    assert (tmp_path / "holdout.parquet").is_file()


def test_what_is_complete_is_taken_as_it_is(tmp_path: Path) -> None:
    first = prepare([chats(6, "Yes {}"), Rows("chats", [("e", [("user", "q")])])], None, FORM, tmp_path, Fitting())
    assert first.gone == (("e", "empty_response"),)
    assert prepare([], None, FORM, tmp_path, Fitting(sequence_length=8)) == first
    (tmp_path / "prepared.json").unlink()  # as if it was killed before the end
    assert prepare([chats(3)], None, FORM, tmp_path, Fitting()).examples == 3


def test_the_same_seed_the_same_order(tmp_path: Path) -> None:
    def ids(name: str, seed: int) -> list[Any]:
        prepare([chats(30)], None, FORM, tmp_path / name, Fitting(seed=seed))
        return rows_in(tmp_path / name / "train.parquet")

    assert ids("a", 1) == ids("b", 1) != ids("c", 2)


def test_documents_beside_chats_and_windows_of_long_ones(tmp_path: Path) -> None:
    long = Rows("documents", [("d", "word " * 3000)])
    alone = prepare([long], None, FORM, tmp_path / "alone", Fitting(packing=False))
    assert alone.sequence_length == LONGEST_WINDOW
    assert alone.examples > 1
    mixed = prepare(
        [chats(3), Rows("documents", [("d", "word")])], None, FORM, tmp_path / "mixed", Fitting(packing=False)
    )
    assert (mixed.examples, mixed.rows) == (4, 4)


def test_pairs_with_a_system_turn(tmp_path: Path) -> None:
    pairs = [("p", "q", "good", "bad"), ("s", "q", "same", "same")]
    done = prepare([Rows("pairs", pairs, "Be kind.")], None, FORM, tmp_path, Fitting(packing=False))
    (row,) = rows_in(tmp_path / "train.parquet")
    assert FORM.tokenizer.decode(row["prompt_ids"]).startswith("<|im_start|>system\nBe kind.")
    assert done.dropped == {"chosen_is_rejected": 1}
    deaf = ChatFormat(byte_tokenizer(NO_SYSTEM, "<|endoftext|>", "<s>"))
    with pytest.raises(PreconditionError, match="loses the system turn"):
        prepare([Rows("pairs", pairs, "Be kind.")], None, deaf, tmp_path / "deaf", Fitting(packing=False))


def test_nothing_left_and_a_stop_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match=r"no example is left of 2 rows \(empty_response 2\)"):
        prepare([chats(2, " ")], None, FORM, tmp_path, Fitting())

    class Stop:
        def check(self) -> None:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        prepare([chats(2)], None, FORM, tmp_path, Fitting(), cancel=Stop())
    assert not (tmp_path / "prepared.json").exists()
