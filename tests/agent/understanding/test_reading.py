"""What holds for every sentence, and the parts the rules are made of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.agent.understanding import understand
from corpusmith.agent.understanding.explain import explain
from corpusmith.agent.understanding.paths import find_paths
from corpusmith.agent.understanding.privacy import KIND_WORDS
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.spelling import corrected
from corpusmith.agent.understanding.words import spelled_value
from corpusmith.core.brief import Brief, Request
from corpusmith.core.errors import RequestError
from corpusmith.core.metrics import METRICS
from corpusmith.ops.pii.kinds import KINDS

PHRASES = [
    "English", "no personal data", "at most 1% near-duplicates", "2000 documents", "90/5/5 split", "as Parquet",
    "don't deduplicate", "sorted by moon phase", "fine-tune a LoRA on them", "within 10 minutes", "not German",
    "between 50 and 100,000 characters", "keep at least 80%", "call it essays", "from ./a b.jsonl", "as jsonl",
    "train gpt2 and Qwen/Qwen2.5-0.5B, keep the best", "don't train anything", "promote it only if it beats the base",
    "accuracy at least 90%", "push it to the hub as acme/news", "with DPO, rank 8, 3 epochs", "on 2 workers with Ray",
    "deploy it if my boss agrees", "show that the curation helped", "check forgetting on ./g.jsonl", "use RAG",
    "stratified by topic", "keep the duplicates", "1.5M tokens", "translate it into French", "no HTML", "seed 3",
]  # fmt: skip


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PHRASES), max_size=6).map(", ".join)))
@settings(max_examples=150, deadline=None)
def test_any_sentence_gives_a_valid_brief_or_a_request_error(text: str) -> None:
    request = Request(text=text, sources=("a.jsonl",))
    try:
        brief = understand(request)
    except RequestError:
        return
    assert understand(request) == brief
    assert Brief.model_validate(brief.model_dump()) == brief
    assert {gate.metric for gate in brief.gates} <= METRICS.keys()
    assert all(gate.why for gate in brief.gates)
    assert brief.splits.train + brief.splits.validation + brief.splits.test == pytest.approx(1)
    assert all(explain(brief))
    for phrase in brief.not_understood:
        assert phrase in text or re.sub(r" \([^()]*\)$", "", phrase) in text


@given(st.lists(st.sampled_from(["zyzzyva", "quokkas", "ombre", "fjord"]), min_size=1, max_size=3, unique=True))
@settings(max_examples=20, deadline=None)
def test_unknown_words_are_never_lost(words: list[str]) -> None:
    brief = understand(Request(text=f"Clean these English articles, {' '.join(words)}, as JSONL, no personal data"))
    assert brief.not_understood == (" ".join(words),)


@pytest.mark.parametrize("wish", ["as parquet", "deduplicated", "English", "lowercased", "balanced by topic"])
def test_a_negated_wish_is_never_read_as_the_wish(wish: str) -> None:
    positive = understand(Request(text=f"Clean ./a.jsonl, {wish}"))
    negative = understand(Request(text=f"Clean ./a.jsonl, not {wish}"))
    assert positive.not_understood == ()
    assert negative != positive.model_copy(update={"request": negative.request})


@pytest.mark.parametrize("text", ["wibble " * 1500, "9" * 5000, "1/" * 2000, "the " * 1000])
def test_long_nonsense_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        understand(Request(text=text))


def test_a_number_beyond_all_sizes_is_left_over() -> None:
    brief = understand(Request(text=f"clean ./a.jsonl, {'9' * 400} rows"))
    assert brief.size.rows is None
    assert brief.not_understood == ("9" * 400 + " rows",)


def test_scan_keeps_the_way_back_to_the_persons_words() -> None:
    scan = Scan("Take  two thousand “Dócs” from ./My Data, 1 per cent")
    assert "2000" in scan.norm
    assert "‹0›" in scan.norm
    assert "1%" in scan.norm
    at = scan.norm.index("2000")
    assert scan.original(at, at + 4) == "two thousand"
    at = scan.norm.index("1%")
    assert scan.original(at, at + 2) == "1 per cent"


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("two thousand five hundred", 2500),
        ("a hundred and one", 101),
        ("ten million", 10_000_000),
        ("twenty-five", 25),
        ("a dozen", 12),
        ("three hundred thousand", 300_000),
    ],
)
def test_spelled_numbers(words: str, value: int) -> None:
    assert spelled_value(words) == value
    assert str(value) in Scan(f"take {words} rows").norm


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("90/5/5 train/test split of question/answer pairs and/or more", []),
        ("from ./a.jsonl, ../b and ~/c.", ["./a.jsonl", "../b", "~/c"]),
        ("clean gs://b/x-*.parquet!", ["gs://b/x-*.parquet"]),
        (r"read C:\data\a.txt now", [r"C:\data\a.txt"]),
        ("'./with space/a' and \"b c.csv\"", ["./with space/a", "b c.csv"]),
        ("the files in data/news/2024", ["data/news/2024"]),
        ("as text/plain, e.g. this", []),
    ],
)
def test_paths(text: str, paths: list[str]) -> None:
    assert [path for _, _, path in find_paths(text)] == paths


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("parqet", "parquet"),
        ("langauge", "language"),
        ("deduplciated", "deduplicated"),
        ("remote", None),
        ("documents", None),
        ("brother", None),
        ("wordy", None),
    ],
)
def test_spelling(word: str, read: str | None) -> None:
    assert corrected(word) == read


def test_kinds_of_personal_data_are_those_that_can_be_masked() -> None:
    assert set(KIND_WORDS) == set(KINDS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("mask emails and national ids", ()),
        ("also mask street addresses", ("only", "0.149")),
        ("no personal data", ("every known kind", "street addresses", "0.149", "names of persons stay")),
        ("no personal data, but keep street addresses", ()),
        ("do not mask personal data", ()),
    ],
)
def test_what_is_found_only_in_part_is_said(words: str, said: tuple[str, ...]) -> None:
    brief = understand(Request(text=f"Clean ./a.jsonl in English, {words}"))
    about = [line for line in brief.assumed if line.startswith("personal data:")]
    assert len(about) == bool(said)
    assert all(part in about[0] for part in said)


def test_gates_say_whose_they_are() -> None:
    brief = understand(Request(text="Clean ./a.jsonl in English, ideally at most 2% near-duplicates"))
    why = {gate.metric: gate.why for gate in brief.gates}
    assert why["near_duplicate_rate"] == "at most 2% near-duplicates"
    assert why["language_rate"].startswith("house default: because of 'English'")
    assert [gate.target for gate in brief.gates if gate.metric == "near_duplicate_rate"] == [0.02]


@pytest.mark.parametrize(
    ("text", "hoped"),
    [
        ("A deduplicated corpus from ./a.jsonl", True),
        ("A deduplicated German corpus from ./a.jsonl", False),
        ("A deduplicated corpus from ./a.jsonl of texts of at least 200 words", False),
        ("2000 deduplicated documents from ./a.jsonl", False),
    ],
)
def test_that_half_is_kept_is_hoped_only_where_no_part_was_asked_for(text: str, hoped: bool) -> None:
    assert ("retention" in {gate.metric for gate in understand(Request(text=text)).gates}) is hoped


def test_explain_shows_everything_a_person_must_see() -> None:
    text = "2000 English documents from ./a.jsonl, mask emails, 90/5/5 split, within 10 minutes, sorted by moon phase"
    lines = explain(understand(Request(text=text)))
    shown = "\n".join(lines)
    for words in (
        "from: ./a.jsonl", "language: en", "2,000 rows", "90% train, 5% validation, 5% test", "EMAIL", "10 minutes",
        "must: language_rate >= 0.98", "assumed: files: Parquet", "NOT UNDERSTOOD: sorted by moon phase",
    ):  # fmt: skip
        assert words in shown


def test_explain_shows_the_model_that_is_wanted() -> None:
    text = (
        "QLoRA fine-tune of gpt2 and Qwen/Qwen2.5-0.5B on my instruction pairs in ./a.jsonl, rank 8, try 6 settings, "
        "mix in 100 general rows from ./g.jsonl, judge it with an LLM, check forgetting on ./h.jsonl, promote it if it "
        "beats the champion, show that the curation helped, push it to the hub as a/b, on 4 GPUs with Ray"
    )
    lines = explain(understand(Request(text=text)))
    for words in (
        "makes: model", "approach: fine-tuning", "bases: gpt2, Qwen/Qwen2.5-0.5B; the best one is taken",
        "method: supervised fine-tuning", "in 4 bits", "settings: rank 8", "search: up to 6 settings",
        "replay: 100 rows of ./g.jsonl", "trained: on Ray, 4 workers, on a GPU", "judged: on the test split",
        "forgetting on ./h.jsonl", "by an LLM judge", "promotion: becomes the champion", "ablation: ",
        "published: the model to hf://a/b", "must: gain_over_champion_low > 0",
    ):  # fmt: skip
        assert any(words in line for line in lines), (words, lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fine-tune on ./a.jsonl", "method: continued pre-training on text; where the rows turn out as pairs"),
        ("fine-tune gpt-4o-mini on ./a.jsonl", "trained: at the provider"),
        ("train a LoRA on ./a.jsonl", "promotion: none, it stays a candidate"),
        ("give me a bot for ./a.jsonl without any training", "judged: on the test split, against plain baselines"),
        ("train a classifier on ./a.jsonl, don't split it", "judged: on nothing held out"),
    ],
)
def test_explain_says_what_was_not_asked_for_too(text: str, words: str) -> None:
    assert any(words in line for line in explain(understand(Request(text=text))))


def test_a_dataset_has_no_lines_about_models() -> None:
    lines = explain(understand(Request(text="Clean ./a.jsonl")))
    assert not any(line.startswith(("approach", "base", "judged", "promotion", "ablation")) for line in lines)
