"""Damages clean rows as a profile says and remembers the truth about each: base rows in, drafts out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.evals.planting import breakage, copies, exam, furniture, personal
from corpusmith.evals.planting.draft import Draft
from corpusmith.evals.planting.profiles import Profile
from corpusmith.evals.planting.prose import BaseRow

FORUM = "forum.jsonl"
_WITHOUT_BASE = frozenset(
    {"exact_copy", "near_copy", "distant_copy", "other_language", "empty", "garbage", "pii_copy", "leak"}
)
_WORDS_TO_CUT = 130  # so that what is left is not too short, which would be another damage
_HOSTLESS = ("verbatim", "recased", "reflowed", "word_substituted", "with_answer")


class Assembly:
    """One corpus in the making. Base rows are used up: none serves two damages, so truths do not overlap by chance."""

    def __init__(
        self,
        base: list[BaseRow],
        languages: dict[str, list[str]],
        items: list[exam.Item],
        profile: Profile,
        rows: int,
        rng: random.Random,
    ) -> None:
        self.languages = languages
        self.items = items
        self.profile = profile
        self.rows = rows
        self.rng = rng
        self.drafts: list[Draft] = []
        self._fresh = list(base)
        rng.shuffle(self._fresh)
        self._origins: list[Draft] = []
        self._repeated: Draft | None = None

    def run(self) -> list[Draft]:
        """Every row of the corpus, in no particular order.

        Raises:
            SourceError: There are fewer base rows than the profile needs at this size.
        """
        counts = {kind: round(share * self.rows) for kind, share in self.profile.shares.items()}
        hosts = -(-counts.get("eval_item", 0) // len(exam.LEAK_EDITS))
        damaged = (
            sum(count for kind, count in counts.items() if kind not in _WITHOUT_BASE and kind != "eval_item") + hosts
        )
        clean = self.rows - sum(counts.values())
        if damaged + clean > len(self._fresh):
            raise SourceError(
                f"{self.rows} rows need {damaged + clean} clean base rows, but there are {len(self._fresh)}",
                hint=f"Ask for at most {int(self.rows * len(self._fresh) / (damaged + clean))} rows.",
            )
        for _ in range(clean):
            self._origins.append(self._good("clean"))
        makers = self._makers()
        if unknown := counts.keys() - makers.keys():
            raise ParameterError(f"no such kind of damage: {', '.join(sorted(unknown))}")
        for kind, make in makers.items():
            for number in range(counts.get(kind, 0)):
                draft = make(number)
                if draft is not None:
                    self.drafts.append(draft)
        return self.drafts

    def _makers(self) -> dict[str, Callable[[int], Draft | None]]:
        """What makes each kind, in the order of making: copies come after what they copy."""
        return {
            "boilerplate": self._boilerplate,
            "pii": self._pii,
            "encoding": self._encoding,
            "file_encoding": self._file_encoding,
            "html": self._html,
            "truncated": self._truncated,
            "eval_item": self._eval_item,
            "eval_decoy": self._eval_decoy,
            "order": self._order,
            "near_copy": self._near_copy,
            "distant_copy": self._distant_copy,
            "exact_copy": self._exact_copy,
            "pii_copy": self._pii_copy,
            "other_language": self._other_language(),
            "empty": self._empty,
            "garbage": self._garbage,
        }

    def _take(self, words: int = 0) -> BaseRow:
        """A base row that was not used yet, if possible one of at least `words` words."""
        for place in range(len(self._fresh) - 1, -1, -1):
            if len(self._fresh[place].text.split()) >= words:
                return self._fresh.pop(place)
        return self._fresh.pop()

    def _good(self, kind: str, words: int = 0) -> Draft:
        row = self._take(words)
        draft = Draft(row.text, kind, False, title=row.title)
        if kind == "clean":
            self.drafts.append(draft)
        return draft

    def _boilerplate(self, _number: int) -> Draft:
        draft = self._good("boilerplate")
        draft.clean = draft.text
        draft.text, draft.lines = furniture.add_boilerplate(draft.text, self.rng)
        draft.home = FORUM
        return draft

    def _pii(self, number: int) -> Draft:
        draft = self._good("pii")
        kinds = [list(personal.KINDS)[number % len(personal.KINDS)]]
        kinds += self.rng.sample(list(personal.KINDS), self.rng.choice([0, 0, 1, 2]))
        draft.text, draft.pii = personal.insert(draft.text, kinds, self.rng)
        return draft

    def _encoding(self, number: int) -> Draft:
        draft = self._good("encoding")
        draft.edit = breakage.ENCODING_EDITS[number % len(breakage.ENCODING_EDITS)]
        clean = breakage.accented(draft.text, self.rng)
        draft.text = breakage.break_encoding(clean, draft.edit, self.rng)
        if draft.edit == "replacement_char":
            draft.removable = None
        else:
            draft.clean = clean
        return draft

    def _file_encoding(self, number: int) -> Draft:
        draft = self._good("file_encoding")
        draft.edit = self.profile.legacy[number % len(self.profile.legacy)]
        draft.text = draft.clean = breakage.accented(draft.text, self.rng, draft.edit)
        draft.home = f"legacy/notes-{draft.edit}.csv"
        return draft

    def _html(self, number: int) -> Draft:
        draft = self._good("html")
        draft.edit = breakage.HTML_EDITS[number % len(breakage.HTML_EDITS)]
        if draft.edit == "entities":
            draft.text = draft.text.replace(" and ", " & ")
        draft.clean, draft.text = draft.text, breakage.leave_html(draft.text, draft.edit, self.rng)
        return draft

    def _truncated(self, number: int) -> Draft:
        draft = self._good("truncated", words=_WORDS_TO_CUT)
        draft.edit, draft.removable = ("mid_sentence", "mid_word")[number % 2], True
        draft.text = breakage.cut_off(draft.text, draft.edit, self.rng)
        return draft

    def _eval_item(self, number: int) -> Draft:
        edit = exam.LEAK_EDITS[number % len(exam.LEAK_EDITS)]
        item = number % max(len(self.items) - 20, 1)
        host = "" if edit in _HOSTLESS else self._take().text
        text = exam.leak(self.items[item], edit, host, self.rng)
        return Draft(text, "eval_item", True, title="exercise", edit=edit, item=item)

    def _eval_decoy(self, _number: int) -> Draft:
        draft = self._good("eval_decoy")
        draft.text = exam.look_alike(draft.text, self.rng)
        return draft

    def _order(self, number: int) -> Draft:
        draft = self._good("order")
        draft.edit = furniture.ORDER_EDITS[number % len(furniture.ORDER_EDITS)]
        draft.text, draft.canary = furniture.add_order(draft.text, draft.edit, self.rng)
        return draft

    def _exact_copy(self, number: int) -> Draft | None:
        if number % self.profile.copies_each == 0:
            self._repeated = self._origins.pop() if self._origins else None
        if self._repeated is None:
            return None
        return self._copy_of(self._repeated, copies.EXACT_EDITS[number % len(copies.EXACT_EDITS)])

    def _pii_copy(self, number: int) -> Draft:
        rows = [draft for draft in self.drafts if draft.kind == "pii"]
        return self._copy_of(rows[number], ("identical", "punctuation")[number % 2])

    def _copy_of(self, origin: Draft, edit: str) -> Draft:
        text = origin.text if edit == "identical" else copies.exact_copy(origin.text, edit, self.rng)
        return Draft(text, "exact_copy", True, origin.title, of=origin, edit=edit, jaccard=1.0, pii=origin.pii)

    def _near_copy(self, number: int) -> Draft | None:
        edit, rate = copies.NEAR_EDITS[number % len(copies.NEAR_EDITS)]
        return self._edited("near_copy", edit, rate)

    def _distant_copy(self, number: int) -> Draft | None:
        edit, rate = copies.DISTANT_EDITS[number % len(copies.DISTANT_EDITS)]
        return self._edited("distant_copy", edit, rate)

    def _edited(self, kind: str, edit: str, rate: float | None) -> Draft | None:
        change = copies.near_copy if kind == "near_copy" else copies.distant_copy
        for place in range(len(self._origins) - 1, -1, -1):
            origin = self._origins[place]
            found = change(origin.text, edit, rate, self.rng)
            if found is not None:
                del self._origins[place]
                text, similarity = found
                near = kind == "near_copy"
                return Draft(
                    text, kind, near, origin.title, of=origin, edit=edit, rate=rate, jaccard=round(similarity, 4)
                )
        return None

    def _other_language(self) -> Callable[[int], Draft]:
        pieces = self._language_pieces()

        def make(number: int) -> Draft:
            code, text = next(pieces)
            draft = Draft(text, "other_language", True, title=code, language=code)
            if self.profile.shares.get("encoding", 0) > 0.1 and number % 5 == 0:
                draft.edit = "utf8_as_latin1"
                draft.text = breakage.break_encoding(text, draft.edit, self.rng)
            return draft

        return make

    def _language_pieces(self) -> Iterator[tuple[str, str]]:
        """Every paragraph once, then ordered pairs of paragraphs of one language."""
        single = [(code, text) for code, texts in self.languages.items() for text in texts]
        self.rng.shuffle(single)
        yield from single
        pairs = [
            (code, f"{left}\n\n{right}")
            for code, texts in self.languages.items()
            for left in texts
            for right in texts
            if left != right
        ]
        self.rng.shuffle(pairs)
        yield from pairs
        raise SourceError("too few texts in other languages for so many rows", hint="Ask for fewer rows.")

    def _empty(self, number: int) -> Draft:
        return Draft(breakage.EMPTY[number % len(breakage.EMPTY)], "empty", True, title="untitled")

    def _garbage(self, number: int) -> Draft:
        edit = breakage.GARBAGE_EDITS[number % len(breakage.GARBAGE_EDITS)]
        return Draft(breakage.garbage(edit, self.rng), "garbage", True, title="offer", edit=edit)
