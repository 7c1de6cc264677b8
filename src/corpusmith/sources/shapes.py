"""From a source record to the canonical columns of a shape: recognised by the names of its fields, or told.

    INSTRUCTION   a chat (`messages`, `conversations`); or one of instruction/prompt/question/query + one of
                  output/response/completion/answer, with input/context when there (Alpaca, Dolly, QA)
    PREFERENCE    chosen + rejected, strings or chats, with a prompt or the part both begin with
    TEXT          everything else: one column

A mapping takes the fields it uses out of the record; what is left becomes `meta`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import TEXT_COLUMNS, Shape
from corpusmith.sources import chats
from corpusmith.sources.columns import MISSING, get, take
from corpusmith.sources.names import CHAT_NAMES, INPUT_NAMES, INSTRUCTION_NAMES, OUTPUT_NAMES, PROMPT_NAMES, folded


class UnfitError(ValueError):
    """A record has no row in it; the message says why."""


class Mapper(Protocol):
    """Turns a record into the values of `core.rows.TEXT_COLUMNS[shape]`."""

    @property
    def shape(self) -> Shape:
        """The shape of the values."""
        ...

    def values(self, record: dict[str, Any]) -> tuple[str, ...]:
        """The values; fields used are taken out of `record`.

        Raises:
            UnfitError: A field is missing, null or not a string.
        """
        ...

    def __str__(self) -> str: ...


@dataclass(frozen=True)
class TextMapper:
    """One column is the text."""

    path: str
    shape: Shape = Shape.TEXT

    def values(self, record: dict[str, Any]) -> tuple[str, ...]:
        """See `Mapper`."""
        return (_string(take(record, self.path), self.path),)

    def __str__(self) -> str:
        return f"text = {self.path}"


@dataclass(frozen=True)
class FieldMapper:
    """Every canonical column comes from a path; a column without one is empty, as is a missing `input`."""

    shape: Shape
    paths: tuple[tuple[str, str], ...]

    def values(self, record: dict[str, Any]) -> tuple[str, ...]:
        """See `Mapper`."""
        paths = dict(self.paths)
        found = {column: get(record, path) for column, path in paths.items()}
        for path in paths.values():
            take(record, path)
        if found.get("input") in (None, MISSING):
            found["input"] = ""
        return tuple(_string(found.get(column, ""), paths.get(column, column)) for column in TEXT_COLUMNS[self.shape])

    def __str__(self) -> str:
        return ", ".join(f"{column} = {path}" for column, path in self.paths)


@dataclass(frozen=True)
class ChatMapper:
    """A list of messages is an instruction row; the list stays in the record."""

    path: str
    shape: Shape = Shape.INSTRUCTION

    def values(self, record: dict[str, Any]) -> tuple[str, ...]:
        """See `Mapper`."""
        messages: Any = get(record, self.path)
        if not chats.is_chat(messages):
            raise UnfitError(f"{self.path} is not a list of messages")
        row = chats.as_instruction(chats.turns_of(messages))
        if row is None:
            raise UnfitError(f"{self.path} has no answer to a user's turn")
        return row

    def __str__(self) -> str:
        return f"instruction, input, output from the messages in {self.path}"


@dataclass(frozen=True)
class PreferenceMapper:
    """chosen and rejected are strings or chats; without a prompt column it is what both begin with."""

    prompt: str | None
    chosen: str
    rejected: str
    shape: Shape = Shape.PREFERENCE

    def values(self, record: dict[str, Any]) -> tuple[str, ...]:
        """See `Mapper`."""
        prompt: Any = take(record, self.prompt) if self.prompt else MISSING
        chosen, rejected = _listed(take(record, self.chosen)), _listed(take(record, self.rejected))
        if chats.is_chat(chosen) and chats.is_chat(rejected):
            first, second = chats.turns_of(chosen), chats.turns_of(rejected)
            shared = first[: _common(first[:-1], second[:-1])]
            chosen, rejected = chats.last_answer(first), chats.last_answer(second)
            if prompt is MISSING:
                prompt = chats.as_prompt(shared) if shared else MISSING
        elif prompt is MISSING and isinstance(chosen, str) and isinstance(rejected, str):
            prompt, chosen, rejected = _split_transcripts(chosen, rejected)
        if chats.is_chat(prompt):
            prompt = chats.as_prompt(chats.turns_of(prompt))
        named = ((prompt, self.prompt or "prompt"), (chosen, self.chosen), (rejected, self.rejected))
        return tuple(_string(value, name) for value, name in named)

    def __str__(self) -> str:
        prompt = self.prompt or "the common beginning"
        return f"prompt = {prompt}, chosen = {self.chosen}, rejected = {self.rejected}"


@dataclass(frozen=True)
class RenderedMapper:
    """A row of another shape as plain text; every field stays in the record."""

    inner: Mapper
    shape: Shape = Shape.TEXT

    def values(self, record: dict[str, Any]) -> tuple[str, ...]:
        """See `Mapper`."""
        parts = self.inner.values(copy.deepcopy(record))
        return ("\n\n".join(part for part in parts if part),)

    def __str__(self) -> str:
        return f"text rendered from ({self.inner})"


def recognise(records: Sequence[Mapping[str, Any]]) -> Mapper | None:
    """The mapping of an instruction or preference set by its fields' names and types, None when it is neither."""
    names = {name for record in records for name in record}
    chosen, rejected = _by_name(names, ("chosen",)), _by_name(names, ("rejected",))
    if chosen and rejected:
        usual = (name for name in PROMPT_NAMES if (found := _by_name(names, (name,))) and _strings(records, found))
        talks = (name for name in sorted(names - {chosen, rejected}) if _mostly(chats.is_chat, records, name))
        prompt = _by_name(names, tuple(usual)) or next(talks, None)
        return PreferenceMapper(prompt, chosen, rejected)
    for name in sorted(names):
        if name.lower() in CHAT_NAMES and _mostly(chats.is_chat, records, name):
            return ChatMapper(name)
    return _instruction(records, names)


def has_system_turn(mapper: Mapper | None, records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a chat among the records opens with a system turn, which no column of the rows holds."""
    if not isinstance(mapper, ChatMapper):
        return False
    lists = (get(record, mapper.path) for record in records)
    return any(turn[0] == "system" for one in lists if chats.is_chat(one) for turn in chats.turns_of(one)[:1])


def _instruction(records: Sequence[Mapping[str, Any]], names: set[str]) -> Mapper | None:
    texts = {name for name in names if _strings(records, name)}
    question, answer = _by_name(texts, INSTRUCTION_NAMES), _by_name(texts, OUTPUT_NAMES)
    extra = _by_name({name for name in names if _never_else(records, name)} - {question, answer}, INPUT_NAMES)
    if question is None and answer is not None and extra is not None and folded(extra).startswith("input"):
        question, extra = extra, None  # input/output pairs
    if question is None or answer is None:
        return None
    paths = [("instruction", question), *([("input", extra)] if extra else []), ("output", answer)]
    return FieldMapper(Shape.INSTRUCTION, tuple(paths))


def explicit(fields: Mapping[str, str], shape: Shape, records: Sequence[Mapping[str, Any]]) -> Mapper:
    """The mapping a person wrote, canonical column -> dotted path; columns they left out are recognised.

    Raises:
        ParameterError: A column the shape cannot do without is neither named nor recognised.
    """
    if shape is Shape.TEXT:
        return TextMapper(fields["text"])
    if set(fields) == {"instruction"} and _mostly(chats.is_chat, records, fields["instruction"]):
        return ChatMapper(fields["instruction"])
    seen = recognise(records)
    known: dict[str, str] = {}
    if isinstance(seen, FieldMapper) and seen.shape is shape:
        known = {column: path for column, path in seen.paths if path not in fields.values()}
    elif isinstance(seen, PreferenceMapper) and seen.shape is shape:
        known = {"chosen": seen.chosen, "rejected": seen.rejected} | ({"prompt": seen.prompt} if seen.prompt else {})
    known |= fields
    needed = [column for column in TEXT_COLUMNS[shape] if column not in ("input", "prompt")]
    if missing := [column for column in needed if column not in known]:
        raise ParameterError(
            f"no field is named for the column {missing[0]!r} of {shape.value} rows",
            hint=f"Say in fields where {', '.join(needed)} are.",
        )
    if shape is Shape.PREFERENCE:
        return PreferenceMapper(known.get("prompt"), known["chosen"], known["rejected"])
    return FieldMapper(shape, tuple((column, known[column]) for column in TEXT_COLUMNS[shape] if column in known))


def shape_of_fields(fields: Iterable[str]) -> Shape:
    """The shape whose columns `fields` name."""
    names = set(fields)
    special = (shape for shape in (Shape.PREFERENCE, Shape.INSTRUCTION) if names & set(TEXT_COLUMNS[shape]))
    return next(special, Shape.TEXT)


def _by_name(names: Iterable[str | None], wanted: Sequence[str]) -> str | None:
    """The name that comes first in `wanted`, whatever its spelling."""
    known = {folded(name): name for name in sorted(name for name in names if name is not None)}
    return next((known[want] for want in wanted if want in known), None)


def _strings(records: Sequence[Mapping[str, Any]], name: str) -> bool:
    return _mostly(lambda value: isinstance(value, str), records, name)


def _never_else(records: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether a field that may be left out holds nothing but strings."""
    return all(isinstance(record.get(name), str | None) for record in records)


def _mostly(test: Any, records: Sequence[Mapping[str, Any]], path: str) -> bool:
    """Whether `test` holds for most of the values that are there, and they are there in half of the records."""
    values = [value for record in records if (value := get(record, path)) not in (MISSING, None)]
    return bool(values) and 2 * len(values) >= len(records) and 2 * sum(map(test, values)) > len(values)


def _listed(value: Any) -> Any:
    """A single message as a list of one."""
    return [value] if isinstance(value, dict) and chats.is_chat([value]) else value


def _split_transcripts(chosen: str, rejected: str) -> tuple[Any, str, str]:
    """Transcripts that part at the last answer (Anthropic's hh-rlhf): the common prompt and the two answers."""
    turn = "\n\nAssistant:"
    at = chosen.rfind(turn, 0, _common(chosen, rejected))
    if at <= 0:
        return MISSING, chosen, rejected
    end = at + len(turn)
    return chosen[:at].strip(), chosen[end:].strip(), rejected[end:].strip()


def _common(left: Sequence[Any], right: Sequence[Any]) -> int:
    """How many items `left` and `right` begin with in common."""
    pairs = zip(left, right, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))


def _string(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n\n".join(value)
    if value is MISSING:
        raise UnfitError(f"the field {name} is missing")
    if value is None:
        raise UnfitError(f"the field {name} is null")
    shown = f": {value}" if isinstance(value, int | float) else ""
    raise UnfitError(f"the field {name} is a {type(value).__name__}, not text{shown}")
