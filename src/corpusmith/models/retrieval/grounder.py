"""A conversation with passages put in: what `+rag` and `/v1/rag` ask (`serving.contract.Grounder`).

The last question is searched for, with the filters that it names (`conditions`) and, where it does not stand by itself,
the words of those before it (`followups`); what is found is put before it as
quotations (`quoting`), in the same user turn, so that no passage becomes a turn of its own and templates without a
system turn work too. Where no passage speaks of the question (`evidence`), the model is told to say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corpusmith.core.errors import ParameterError
from corpusmith.models.retrieval.conditions import Asked, filters_in, given_filters
from corpusmith.models.retrieval.evidence import speaks
from corpusmith.models.retrieval.examining import nearest
from corpusmith.models.retrieval.expansion import bare
from corpusmith.models.retrieval.followups import earlier_questions, needs_context, points_back, query_in_context
from corpusmith.models.retrieval.opening import IndexAccess, OpenIndex, open_index
from corpusmith.models.retrieval.quoting import one_line, quoted
from corpusmith.models.retrieval.search import Expand, Mode, Passage
from corpusmith.models.retrieval.store import Where
from corpusmith.models.serving.contract import Grounding
from corpusmith.prompts.library import prompt
from corpusmith.store.dataset import StoredDataset

MOST_QUESTION_CHARS = 4_000
"""Characters of a question that are searched for."""
PER_ROW = 2
IN_CONTEXT = "searched with the words of the questions before it"


@dataclass(frozen=True)
class GrounderOptions:
    """How passages are found and put in.

    Attributes:
        mode: What is searched; None = hybrid where there are vectors, else sparse.
        expand: See `Retriever.search`; None = as the index was graded.
        per_row: Passages of one document at most.
        most_chars: Characters of passages at most, in all; the last is cut, at least 200 characters of each stay.
        tokens: Control tokens of the model that will read them.
        self_query: Whether filters are taken from the question.
    """

    mode: Mode | None = None
    expand: Expand | None = None
    per_row: int = PER_ROW
    most_chars: int = 8_000
    tokens: tuple[str, ...] = ()
    self_query: bool = True


@dataclass(frozen=True)
class Found:
    """What a question found."""

    passages: tuple[Passage, ...]
    asked: Asked
    speaks: bool


class CorpusGrounder:
    """Grounds conversations in one index. Safe to use from several threads.

    Args:
        index: An open index; closed with this.
        options: How.
    """

    def __init__(self, index: OpenIndex, options: GrounderOptions | None = None) -> None:
        self.index, self.options = index, options or GrounderOptions()

    @property
    def fields(self) -> list[str]:
        """Payload fields that may be filtered on."""
        return sorted(self.index.manifest.fields)

    def find(
        self, question: str, k: int, filters: Mapping[str, Any] | None = None, earlier: Sequence[str] = ()
    ) -> Found:
        """Passages for a question, and whether any speaks of it.

        Args:
            question: As it was asked.
            k: Passages at most.
            filters: As a caller gave them.
            earlier: Questions of the same conversation, newest first; used where it does not stand by itself.

        Raises:
            ParameterError: A filter names a field that is not in the index.
            SourceError: The store went away.
        """
        fields, retriever = self.index.manifest.fields, self.index.retriever
        given = given_filters(filters or {}, fields)
        own = filters_in(question, fields, tuple(given.filters)) if self.options.self_query else Asked(question)
        words = bare(own.words[:MOST_QUESTION_CHARS])
        where = (*given.where, *own.where)
        expand = self.options.expand or self.index.manifest.expand
        leans = earlier if earlier and needs_context(words, retriever.terms) else ()
        passages = retriever.search(
            words, k, where=where, mode=self.options.mode, expand=expand, per_row=self.options.per_row, earlier=leans
        )
        notes = (*given.notes, *own.notes, *([IN_CONTEXT] if leans else []))
        asked = Asked(words, where, {**own.filters, **given.filters}, notes)
        return Found(tuple(passages), asked, self._speaks(words, leans, passages, where))

    def ground(
        self, messages: Sequence[Mapping[str, Any]], *, k: int = 4, filters: Mapping[str, Any] | None = None
    ) -> Grounding:
        """Find passages for the last question and put them in.

        Raises:
            ParameterError: Nobody asks anything, or a filter names a field that is not in the index.
            SourceError: The store went away.
        """
        place = last_question(messages)
        question = text_of(messages[place])
        found = self.find(question, k, filters, earlier_questions(messages, place, text_of))
        shown = self.shown(found.passages) if found.speaks else []
        if shown:
            blocks = [prompt("rag_answer").text, *(_block(n, p, self.options.tokens) for n, p in enumerate(shown, 1))]
        else:
            blocks = [prompt("rag_nothing").text]
        turn = "\n\n".join([*blocks, f"Question: {question}"])
        return Grounding(
            messages=replaced(messages, place, turn),
            citations=citations(shown),
            filters=dict(found.asked.filters),
            notes=found.asked.notes,
            found=bool(shown),
        )

    def compose(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        files: Sequence[tuple[str, str]] = (),
        k: int = 4,
        filters: Mapping[str, Any] | None = None,
    ) -> Grounding:
        """Have a text written: `writing.compose_messages`, with files as name and text.

        Raises:
            ParameterError: Nobody asks for anything, a file is blank or one too many, or a filter's field is unknown.
            SourceError: The store went away.
        """
        from corpusmith.models.retrieval.writing import compose_messages, material  # it rests on this module

        added = [material(name, text) for name, text in files]
        return compose_messages(self, messages, files=added, k=k, filters=filters)

    def shown(self, passages: Sequence[Passage]) -> list[tuple[Passage, str]]:
        """Passages with as much of their text as there is room for."""
        out, left = [], self.options.most_chars
        for at, passage in enumerate(passages):
            room = max(200, left - 200 * (len(passages) - at - 1))
            text = passage.text.strip()
            text = text if len(text) <= room else text[:room].rsplit(" ", 1)[0] + " …"
            out.append((passage, text))
            left -= len(text)
        return out

    def close(self) -> None:
        """Let go of the index."""
        self.index.close()

    def _speaks(self, words: str, earlier: Sequence[str], passages: Sequence[Passage], where: Sequence[Where]) -> bool:
        evidence, retriever = self.index.manifest.evidence, self.index.retriever
        terms = retriever.terms
        queries = [query_in_context(words, earlier, terms, retriever.stats)]
        if points_back(words):  # what is asked about it may be said in other words, if it is spoken of at all
            queries += [terms.query(bare(question)) for question in earlier]
        if any(speaks(evidence, retriever, query, passages, where) for query in queries):
            return True
        near = evidence.cosine is not None and bool(passages)
        return near and nearest(retriever, " ".join([*reversed(earlier), words])) >= (evidence.cosine or 0.0)


def open_grounder(
    index: StoredDataset, access: IndexAccess | None = None, options: GrounderOptions | None = None
) -> CorpusGrounder:
    """Open an index artifact to ground conversations in.

    Raises:
        PreconditionError: It is none, it was built with another embedder, or the extra `retrieve` is missing.
        SourceError: A server cannot be reached.
    """
    return CorpusGrounder(open_index(index, access), options)


def last_question(messages: Sequence[Mapping[str, Any]]) -> int:
    """Where the last user turn with text stands.

    Raises:
        ParameterError: There is none.
    """
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].get("role") == "user" and text_of(messages[place]).strip():
            return place
    raise ParameterError("nobody asks anything", hint="Give a message with the role user.")


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a turn, whose content may be given in parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))


def replaced(messages: Sequence[Mapping[str, Any]], place: int, text: str) -> list[dict[str, Any]]:
    """The turns, with the text of one replaced: no turn is added, none changes its role."""
    return [{**message, "content": text} if at == place else dict(message) for at, message in enumerate(messages)]


def citations(shown: Sequence[tuple[Passage, str]]) -> list[dict[str, Any]]:
    """What the numbers in an answer mean."""
    return [
        {
            "n": n, "row_id": passage.row_id, "chunk_id": passage.chunk_id, "source": passage.source,
            "title": passage.title, "url": passage.url, "score": passage.score, "text": text,
        }
        for n, (passage, text) in enumerate(shown, start=1)
    ]  # fmt: skip


def _block(n: int, shown: tuple[Passage, str], tokens: Sequence[str]) -> str:
    passage, text = shown
    head = one_line(passage.title or passage.source, tokens)
    author = passage.fields.get("author")
    return f"[{n}] {head}{f', by {one_line(str(author), tokens)}' if author else ''}\n{quoted(text, tokens)}"
