from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.generation import DEFAULT_TEMPLATES, Candidate, Limits, candidates, choose, reads_whole, title_of
from corpusmith.ops.generation_blocks import parse_blocks
from corpusmith.ops.generation_rows import FindPairs, Pair, Seen

Found = list[tuple[str, str]]
LONG = "This answer is long enough to be worth keeping, and it ends as a sentence does."
DOC = f"""# Gradient descent

{LONG}

## How to choose a step size

Start small. {LONG}

## Why does it converge?

Because the function is convex. {LONG}

## See also

{LONG} Not to be asked about.

## Conclusion

In short: {LONG}

## Parts

Momentum is a running mean of past gradients that smooths the path taken downhill.

The usual schedules for the step size:

- constant steps for as long as the loss goes down
- steps that shrink with the root of the iteration
- steps that follow a cosine down to zero

Terms:

- **Warm-up**: A phase in which the step size grows from nothing to its full value.

What happens when the step is too large? The iterates jump over the valley and move away from the minimum.

```python
def descend(start, step):
    \"\"\"Walk downhill from `start` until the gradient vanishes, then return the point.\"\"\"
```
"""


def found(text: str, title: str = "", limits: Limits | None = None, templates=DEFAULT_TEMPLATES) -> dict[str, Found]:
    blocks = parse_blocks(text)
    out: dict[str, Found] = {}
    for one in candidates(text, blocks, title or title_of(blocks, ""), limits or Limits(), templates):
        out.setdefault(one.template, []).append((one.topic, text[one.begin : one.end]))
    return out


def test_what_a_document_gives() -> None:
    got = found(DOC)
    assert [topic for topic, _ in got["how_to"]] == ["choose a step size"]
    questions = dict(got["question"])
    assert questions["Why does it converge?"].startswith("Because the function is convex.")
    assert questions["What happens when the step is too large?"].startswith("The iterates jump")
    assert dict(got["definition"])["Momentum"].startswith("Momentum is a running mean")
    assert got["list"][0][1].startswith("- constant steps")
    assert got["term"] == [("Warm-up", "A phase in which the step size grows from nothing to its full value.")]
    assert got["function"][0][0] == "descend(start, step)"
    assert got["function"][0][1].startswith("Walk downhill")
    assert [topic for topic, _ in got["heading"]] == ["Gradient descent", "Conclusion", "Parts"]
    assert not any("Not to be asked" in answer for pairs in got.values() for _, answer in pairs)
    assert got["opening"] == [("Gradient descent", LONG)]


def test_answers_are_whole_blocks_within_the_bounds() -> None:
    text = f"# Topic\n\n{LONG}\n\n{LONG} More of it.\n\nan unfinished piece"
    assert found(text, limits=Limits(60, 100))["heading"] == [("Topic", LONG)]
    assert found(text, limits=Limits(60, 500))["heading"] == [("Topic", f"{LONG}\n\n{LONG} More of it.")]
    assert "heading" not in found("# Topic\n\nToo short.")
    assert "heading" not in found(f"# Topic\n\n{LONG[:-1]}")


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("A sentence.", True),
        ("a sentence.", False),
        ("No end", False),
        ("**Bold** end.**", True),
        ("漢字です。", True),
        ("", False),
        ("“Quoted.”", True),
    ],
)
def test_what_reads_whole(text: str, whole: bool) -> None:
    assert reads_whole(text) is whole


@pytest.mark.parametrize("pronoun", ["It", "This", "There", "They", "What"])
def test_pronouns_are_not_defined(pronoun: str) -> None:
    assert "definition" not in found(
        f"{pronoun} is a thing of which one cannot say what it is without the text before."
    )


def test_title_prefers_the_heading_that_the_given_title_holds() -> None:
    blocks = parse_blocks("# Graph attention\n\nText.")
    assert title_of(blocks, "Graph attention - A. Writer") == "Graph attention"
    assert title_of(blocks, "Another name") == "Another name"
    assert title_of(blocks, "") == "Graph attention"
    assert title_of(parse_blocks("Just text."), "") == ""


def test_choice_takes_templates_in_turn_and_no_overlap() -> None:
    options = [
        Candidate("heading", "a", 0, 100),
        Candidate("definition", "b", 0, 90),
        Candidate("heading", "c", 100, 200),
        Candidate("heading", "d", 200, 300),
    ]
    chosen = choose(options, 2, DEFAULT_TEMPLATES)
    assert [one.topic for one in chosen] == ["b", "c"]
    assert len(choose(options, 9, DEFAULT_TEMPLATES)) == 3


def test_vague_headings_carry_the_title_and_are_left_out_without_one() -> None:
    pairs = FindPairs(0, most=20).pairs("a#0", DOC, "")
    about = [pair.instruction for pair in pairs if "Conclusion" in pair.instruction]
    assert about
    assert all("Gradient descent" in one for one in about)
    body = f"## Conclusion\n\n{LONG}"
    assert FindPairs(0).pairs("a#0", body, "") == []
    assert len(FindPairs(0).pairs("a#0", body, "Graphs")) == 1


def test_wordings_differ_and_follow_the_seed() -> None:
    text = "\n\n".join(f"## Topic number {n} of many\n\n{LONG} {n}." for n in range(12))
    one = [p.instruction for p in FindPairs(0, most=20).pairs("a#0", text, "")]
    assert one == [p.instruction for p in FindPairs(0, most=20).pairs("a#0", text, "")]
    assert one != [p.instruction for p in FindPairs(1, most=20).pairs("a#0", text, "")]
    assert len({instruction.split("“")[0] for instruction in one}) >= 4
    own = FindPairs(0, phrases=(("heading", ("Erkläre {topic}!",)),)).pairs("a#0", text, "")
    assert all(pair.instruction.startswith("Erkläre Topic") for pair in own)


def test_preference_rejects_are_verbatim_and_worse() -> None:
    pairs = FindPairs(0, "preference", most=20, limits=Limits(100, 2000)).pairs("a#0", DOC, "")
    assert pairs
    for pair in pairs:
        assert pair.rejected is not None
        chosen, rejected = DOC[pair.begin : pair.end], DOC[slice(*pair.rejected)]
        assert len(chosen) >= 100
        assert chosen.strip() != rejected.strip() != ""
        if pair.corruption == "truncated":
            assert chosen.startswith(rejected)
            assert not reads_whole(rejected)
            assert 0.25 * len(chosen) < len(rejected) < 0.75 * len(chosen)
        else:
            assert pair.corruption == "wrong_section"


def test_repeats_get_a_setting_or_go() -> None:
    seen = Seen()
    pair = Pair("heading", "Explain X.", 0, 9, "On “T”: Explain X.")
    assert seen.admit(pair, "one") == ("Explain X.", None)
    assert seen.admit(Pair("heading", "explain  x", 0, 9, "On “T”: Explain X."), "two") == ("On “T”: Explain X.", None)
    assert seen.admit(pair, "three")[1] == "generate.repeated_instruction"
    assert seen.admit(Pair("heading", "Other.", 0, 9), "ONE!")[1] == "generate.repeated_answer"


@settings(max_examples=120, deadline=None)
@given(
    text=st.lists(
        st.one_of(
            st.text(st.sampled_from("aA.?:\n *-=#`1)é"), max_size=30),
            st.sampled_from([LONG, "## How to go\n", "\n\n", "**Term**",
                "* **Term**: ", "def f(x):\n  '''", "What is it then?", "X is a "]),
        ),
        max_size=12,
    ).map("".join),
    kind=st.sampled_from(["instruction", "preference"]),
)  # fmt: skip
def test_any_text_is_survived_and_answers_are_spans(text: str, kind: str) -> None:
    for pair in FindPairs(0, kind, most=9, templates=(*DEFAULT_TEMPLATES, "continuation")).pairs("r", text, ""):
        answer = text[pair.begin : pair.end]
        assert 60 <= len(answer) <= 2000
        assert pair.instruction.strip()
        assert (pair.rejected is None) == (kind == "instruction")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "A" + "-a" * 20_000 + " is",
        "# a" + " " * 50_000 + "b",
        "- " * 30_000 + "x",
        "[" * 30_000,
        "## T\n\n" + "Short one.\n\n" * 8_000,
        'def f(x):\n    """\n' * 5_000,
        "A " * 40_000 + "is a",
        "." + "*" * 30_000 + "\n",
        "What is " * 10_000,
    ],
    ids=range(9),
)
def test_hostile_text_does_not_hang(text: str) -> None:
    assert len(FindPairs(0, most=5).pairs("r", text, "[" * 5000)) <= 5
