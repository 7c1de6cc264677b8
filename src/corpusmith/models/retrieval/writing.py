"""Writing from one's own corpus: what the LLM Twin is for. A wish, sources, and samples of the voice it is written in.

Sources are numbered together: first the files that the writer adds, then passages of the corpus. Samples are the
beginnings of other passages by the same author, so that the voice is shown and the facts stay with the sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from corpusmith.core.errors import ParameterError
from corpusmith.models.retrieval.grounder import CorpusGrounder, citations, last_question, replaced, text_of
from corpusmith.models.retrieval.quoting import one_line, quoted
from corpusmith.models.retrieval.search import Passage
from corpusmith.models.retrieval.store import Where
from corpusmith.models.serving.contract import Grounding
from corpusmith.prompts.library import prompt

SAMPLES, SAMPLE_CHARS = 2, 700
FILE_CHARS, MOST_FILES = 6_000, 8
READ = 12


@dataclass(frozen=True)
class Material:
    """A file that the writer adds: what to call it, and its text."""

    name: str
    text: str
    url: str = ""


def compose_messages(
    grounder: CorpusGrounder,
    messages: Sequence[Mapping[str, Any]],
    *,
    files: Sequence[Material] = (),
    k: int = 4,
    filters: Mapping[str, Any] | None = None,
) -> Grounding:
    """A conversation that ends with a wish to write, with sources and samples put in.

    Args:
        grounder: The corpus.
        messages: The last user turn says what to write.
        files: What the writer adds.
        k: Passages of the corpus at most.
        filters: As in `CorpusGrounder.ground`.

    Raises:
        ParameterError: Nobody asks for anything, there are over 8 files, or a filter names an unknown field.
        SourceError: The store went away.
    """
    if len(files) > MOST_FILES:
        raise ParameterError(f"{len(files)} files are too many", hint=f"Add at most {MOST_FILES}.")
    place = last_question(messages)
    wish, tokens = text_of(messages[place]), grounder.options.tokens
    found = grounder.find(wish, k, filters)
    passages = found.passages if found.speaks else ()
    sources = [(_added(n, file), file.text.strip()[:FILE_CHARS]) for n, file in enumerate(files)]
    sources += grounder.shown(passages)
    author = _author(found.asked.filters, passages)
    samples = _samples(grounder, wish, author, passages)
    blocks = [prompt("rag_write").text]
    blocks += [f"Sample of the voice\n{quoted(text, tokens)}" for text in samples]
    for n, (source, text) in enumerate(sources, start=1):
        blocks.append(f"[{n}] {one_line(source.title or source.source, tokens)}\n{quoted(text, tokens)}")
    if not sources:
        blocks.append("There are no sources: nothing in the corpus speaks of it. State no facts, and say so.")
    notes = [*found.asked.notes]
    notes += [] if passages else ["no passage of the corpus speaks of it"]
    notes += [] if samples else ["no sample of the voice was found"]
    return Grounding(
        messages=replaced(messages, place, "\n\n".join([*blocks, f"Write: {wish}"])),
        citations=citations(sources),
        filters=dict(found.asked.filters),
        notes=tuple(notes),
        found=bool(sources),
    )


def local_path(link: str) -> Path:
    """The file that a path or a `file://` link means.

    Raises:
        ParameterError: It is a link to the web.
    """
    parts = urlsplit(link)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    if "://" in link:
        raise ParameterError(
            f"{link} is not fetched: pages of the web cannot be added yet", hint="Save the page, and add the file."
        )
    return Path(link).expanduser()


def material(name: str, text: str) -> Material:
    """A file's text as material.

    Raises:
        ParameterError: It is blank.
    """
    if not text.strip():
        raise ParameterError(f"{name} holds no text", hint="Add a file with text in it.")
    return Material(name, text)


def _added(n: int, file: Material) -> Passage:
    row = f"added#{n}"
    return Passage(row, row, row, file.name, file.name, file.url, file.text, 1.0)


def _author(filters: Mapping[str, Any], passages: Sequence[Passage]) -> str | None:
    """Whose voice: the author that was asked for, else the one of most passages."""
    asked = filters.get("author")
    if isinstance(asked, str):
        return asked
    names = Counter(str(passage.fields["author"]) for passage in passages if "author" in passage.fields)
    return names.most_common(1)[0][0] if names else None


def _samples(grounder: CorpusGrounder, wish: str, author: str | None, passages: Sequence[Passage]) -> list[str]:
    where = () if author is None else (Where("author", any_of=(author,)),)
    used = {passage.id for passage in passages}
    found = grounder.index.retriever.search(wish, READ + len(used), where=where, mode=grounder.options.mode, per_row=2)
    others = [passage.text.strip() for passage in found if passage.id not in used]
    return [text[:SAMPLE_CHARS].rsplit(" ", 1)[0] for text in others if len(text) > 100][:SAMPLES]
