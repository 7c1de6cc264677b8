r"""A conversation as token ids with a loss mask: rendered by the tokenizer's own chat template, loss on responses only.

Where a turn's text begins and ends in the rendered conversation is found by *differencing*: the conversation is
rendered again with one character in that turn's place, so nothing is ever looked for by its own words. A template that
marks what it generates (`{% generation %}`) is believed instead. The mask follows by character offsets.

    <|user|>\nWhat is 2+2?\n<|assistant|>\n4<|eos|>\n
                                        ^^^^^^^^ loss; the newline after it is left out

What a person or a document wrote is encoded as text: `<|im_end|>` inside an answer is eight characters, never the
control token. The end-of-sequence token follows every response and bears loss; it is added where the template has
none (after a response that the template closes with a marker of its own, only at the end of the conversation).

A tokenizer whose pieces do not join (SentencePiece with a dummy prefix) is encoded in one go and the mask taken from
its offsets; there, control tokens inside texts are not told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from jinja2 import TemplateError

from corpusmith.core.errors import PreconditionError

Turn = tuple[str, str]
"""(role, text); roles are system, user, assistant, tool."""

HOUSE_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>\n{{ message['content'] }}{{ eos_token }}\n"
    "{% else %}<|{{ message['role'] }}|>\n{{ message['content'] }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
"""For tokenizers that bring no template; stored with the model, so that serving uses the same."""

_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_MARKS = range(0xE000, 0xF8FF)  # private use


class UnfitRow(ValueError):  # noqa: N818 - a finding about one row, not a failure
    """The template cannot render this row; says why."""


@dataclass(frozen=True)
class Encoded:
    """One conversation.

    Attributes:
        ids: n token ids.
        loss: n flags: whether the token bears loss.
        starts: Where the content of each exchange's first turn begins (token index): what stands between the first
            two can be left out whole.
        prompt_end: Where the last prompt's content ends; from here to `answer` is the template's header.
        answer: Where the last response begins.
    """

    ids: Sequence[int]
    loss: Sequence[int]
    starts: tuple[int, ...]
    prompt_end: int
    answer: int


@dataclass(frozen=True)
class _Piece:
    """Characters [start, end) of the rendered text."""

    start: int
    end: int
    loss: bool
    as_text: bool = False


@dataclass
class ChatFormat:
    """Renders and encodes by one tokenizer.

    Attributes:
        tokenizer: A fast tokenizer of transformers, with an EOS token. It gets the house template when it has none.
        house: Whether it got it.

    Raises:
        PreconditionError: The tokenizer has no EOS token, or is not a fast one.
    """

    tokenizer: Any
    house: bool = field(init=False)
    joins: bool = field(init=False)

    def __post_init__(self) -> None:
        name = getattr(self.tokenizer, "name_or_path", "") or "the model"
        if self.tokenizer.eos_token_id is None:
            raise PreconditionError(
                f"the tokenizer of {name} has no EOS token, so no answer would end",
                hint="Set eos_token in its tokenizer_config.json.",
            )
        if not getattr(self.tokenizer, "is_fast", False):
            raise PreconditionError(
                f"the tokenizer of {name} gives no offsets", hint="Save it as a fast tokenizer (tokenizer.json)."
            )
        self.house = not self.tokenizer.chat_template
        if self.house:
            opening = "{{ bos_token }}" if opens_with_bos(self.tokenizer) else ""
            self.tokenizer.chat_template = opening + HOUSE_TEMPLATE
        self._special = sorted(
            {str(t) for t in self.tokenizer.added_tokens_decoder.values() if t.special}, key=len, reverse=True
        )
        self._marked = bool(_GENERATION.search(self._template()))
        self.joins = _joins(self.tokenizer)

    def _template(self) -> str:
        return str(self.tokenizer.get_chat_template())

    def render(self, turns: Sequence[Turn], add_generation_prompt: bool = False) -> str:
        """The conversation as text.

        Raises:
            UnfitRow: The template refuses these turns.
        """
        messages = [{"role": role, "content": text} for role, text in turns]
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=add_generation_prompt
                )
            )
        except TemplateError as error:
            raise UnfitRow(f"the chat template says: {error}") from error

    def keeps_system(self) -> bool:
        """Whether a system turn shows in what is rendered."""
        said, asked = ("system", chr(_MARKS[0])), ("user", "a")
        try:
            return self.render([said, asked]) != self.render([asked]) and said[1] in self.render([said, asked])
        except UnfitRow:
            return False

    def encode(self, turns: Sequence[Turn]) -> Encoded:
        """A conversation that ends with a response.

        Raises:
            UnfitRow: The template refuses the turns, or loses or changes one.
        """
        text = self.render(turns)
        spans = [self._span(turns, at, text) for at in range(len(turns))]
        answers = [at for at, (role, said) in enumerate(turns) if role == "assistant" and said.strip()]
        areas = [(spans[at][0], self._closing(turns[: at + 1], text, spans[at][1])) for at in answers]
        if self._marked:
            areas = [_joined(area, self._generated(turns)) for area in areas]
        pieces = list(self._pieces(text, spans, areas))
        tokens = self._tokens(text, pieces) if self.joins else self._whole(text, areas)
        last = answers[-1]
        self._add_eos(tokens, areas)
        while tokens and not tokens[-1][2]:  # nothing after the last loss can matter
            tokens.pop()
        position = [start for start, _, _ in tokens]
        firsts = [at for at, (role, _) in enumerate(turns) if role != "system" and (not at or turns[at - 1][0] in ENDS)]
        prompt_end = spans[last - 1][1] if last else 0
        return Encoded(
            [token for _, token, _ in tokens],
            [loss for _, _, loss in tokens],
            tuple(_index(position, spans[at][0]) for at in firsts if at < last) or (0,),
            _index(position, prompt_end),
            _index(position, spans[last][0]),
        )

    def encode_prompt(self, turns: Sequence[Turn]) -> list[int]:
        """What stands before the response, exactly as in training: for generation and for preference pairs."""
        mark = _mark(turns)
        rendered = self.render([*turns, ("assistant", mark)])
        if rendered.count(mark) != 1:
            raise UnfitRow("the chat template loses or repeats the response")
        text = rendered[: rendered.index(mark)]
        spans = [self._span([*turns, ("assistant", mark)], at, rendered) for at in range(len(turns))]
        pieces = list(self._pieces(text, spans, []))
        tokens = self._tokens(text, pieces) if self.joins else self._whole(text, [])
        return [token for _, token, _ in tokens]

    def encode_text(self, text: str) -> list[int]:
        """Plain text, in which no control token is seen."""
        found = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(found["input_ids"])

    def _span(self, turns: Sequence[Turn], at: int, text: str) -> tuple[int, int]:
        """Where the content of turn `at` stands in `text`, by rendering it with one odd character in its place."""
        mark, role = _mark(turns), turns[at][0]
        other = self.render([(r, mark if n == at else said) for n, (r, said) in enumerate(turns)])
        if other.count(mark) != 1:
            raise UnfitRow(f"the chat template {'repeats' if mark in other else 'loses'} the {role} turn")
        head, _, tail = other.partition(mark)
        if not (text.startswith(head) and text.endswith(tail) and len(text) >= len(head) + len(tail)):
            raise UnfitRow(f"the chat template reads into the {role} turn")
        return len(head), len(text) - len(tail)

    def _closing(self, turns: Sequence[Turn], text: str, end: int) -> int:
        """Where the last of `turns`, whose content ends at `end` in `text`, ends with the control token after it."""
        alone = self.render(turns)
        rest = alone[self._span(turns, len(turns) - 1, alone)[1] :]
        blank = len(rest) - len(rest.lstrip())
        marker = next((token for token in self._special if rest.startswith(token, blank)), "")
        return end + blank + len(marker) if marker and text.startswith(rest[: blank + len(marker)], end) else end

    def _generated(self, turns: Sequence[Turn]) -> list[tuple[int, int]]:
        """Character spans that the template marks as generated."""
        from transformers.utils.chat_template_utils import render_jinja_template

        rendered: Any = render_jinja_template(
            conversations=[[{"role": role, "content": text} for role, text in turns]],
            chat_template=self._template(),
            return_assistant_tokens_mask=True,
            **self.tokenizer.special_tokens_map,
        )
        return [(start, end) for start, end in rendered[1][0] if end > start]

    def _pieces(
        self, text: str, spans: Sequence[tuple[int, int]], areas: Sequence[tuple[int, int]]
    ) -> Iterator[_Piece]:
        """The text cut where loss begins and ends, and around contents that spell a control token."""
        spelled = [span for span in spans if any(token in text[span[0] : span[1]] for token in self._special)]
        inner = [span for span in spans if any(low <= span[0] and span[1] <= high for low, high in areas)]
        apart = sorted({*spelled, *inner})
        edges = {0, len(text), *(e for pair in areas for e in pair), *(e for pair in apart for e in pair)}
        cuts = sorted(edge for edge in edges if 0 <= edge <= len(text))
        for low, high in pairwise(cuts):
            yield _Piece(
                low,
                high,
                any(a <= low and high <= b for a, b in areas),
                any(a <= low and high <= b for a, b in apart),
            )

    def _tokens(self, text: str, pieces: Sequence[_Piece]) -> list[tuple[int, int, bool]]:
        out = []
        for piece in pieces:
            found = self.tokenizer(
                text[piece.start : piece.end],
                add_special_tokens=False,
                split_special_tokens=piece.as_text,
                return_offsets_mapping=True,
                verbose=False,
            )
            for token, (start, _) in zip(found["input_ids"], found["offset_mapping"], strict=True):
                out.append((piece.start + start, token, piece.loss))
        return out

    def _whole(self, text: str, areas: Sequence[tuple[int, int]]) -> list[tuple[int, int, bool]]:
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [
            (start, token, any(start < high and max(end, start + 1) > low for low, high in areas))
            for token, (start, end) in zip(found["input_ids"], found["offset_mapping"], strict=True)
        ]

    def _add_eos(self, tokens: list[tuple[int, int, bool]], areas: Sequence[tuple[int, int]]) -> None:
        """Put EOS behind each response that the template does not end with it.

        One that it closes with a marker of its own is left alone inside the conversation: there the marker ends it.
        """
        eos, special = self.tokenizer.eos_token_id, {self.tokenizer.convert_tokens_to_ids(t) for t in self._special}
        for number, (low, high) in reversed(list(enumerate(areas))):
            at = next((n for n, (start, _, _) in enumerate(tokens) if start >= high), len(tokens))
            said = [token for start, token, _ in tokens[:at] if start >= low]
            while said and not str(self.tokenizer.decode([said[-1]])).strip():
                said.pop()
            ended = bool(said) and (said[-1] == eos or (number < len(areas) - 1 and said[-1] in special))
            if not ended:
                tokens.insert(at, (high, eos, True))


ENDS = ("assistant", "system")
"""After these a new exchange begins."""


def _joined(area: tuple[int, int], marked: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The span that the template marks around a response, with what closes the response."""
    mine = [(low, high) for low, high in marked if low < area[1] and area[0] < high]
    return (min(low for low, _ in mine), max(area[1], *(high for _, high in mine))) if mine else area


def opens_with_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer puts a BOS token before plain text."""
    bos = tokenizer.bos_token_id
    return bos is not None and tokenizer("a", verbose=False)["input_ids"][:1] == [bos]


def _joins(tokenizer: Any) -> bool:
    """Whether texts encoded apart decode to the texts put together."""
    parts = ("a", "b", " c", "\n", "d")
    ids = [i for part in parts for i in tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"]]
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False)) == "".join(parts)


def _mark(turns: Sequence[Turn]) -> str:
    """A character that stands in none of the turns."""
    used = {char for _, text in turns for char in text}
    return next(chr(code) for code in _MARKS if chr(code) not in used)


def _index(positions: Sequence[int], character: int) -> int:
    """The first token that begins at `character` or later."""
    return next((n for n, start in enumerate(positions) if start >= character), len(positions))
