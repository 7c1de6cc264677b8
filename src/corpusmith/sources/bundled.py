"""The text that every installation brings along: the documentation of Python's own modules.

Modules are read as source with `ast`, never imported, so the documents are the same for one version of Python and
nothing runs. A different version of Python gives different documents.

Each document belongs to one of two halves, by a hash of its name: `run` is what demonstrations and evaluations work on,
`base` is what the small base model `tiny` is pre-trained on. `base_documents` leaves out every paragraph whose words
also stand in the other half, so the two share no paragraph.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from corpusmith.core.errors import SourceError

Half = Literal["run", "base"]

_SKIPPED = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "__phello__"})
_BLANK = re.compile(r"\n[ \t]*\n")
_BULLET = re.compile(r"\n[ \t]*(?:[-*+o]|\d+[.)])[ \t]+")
_MARKUP = re.compile(r":(?:\w+:)?\w+:`|[`*]|(?<=\w)\(\)")
_QUOTED_NAME = re.compile(r"""(?<!\w)(["'])([\w.-]+)\1(?!\w)""")
_WORD = re.compile(r"\w+")
_TOPICS = "pydoc_data.topics"


@dataclass(frozen=True)
class BundledDocument:
    """The documentation of one module, or one help topic.

    Attributes:
        name: Dotted name of the module; a topic's is `pydoc_data.topics.<topic>`.
        title: How a reader would call it.
        paragraphs: In order, as plain words; line breaks inside stay, and some are empty.
    """

    name: str
    title: str
    paragraphs: tuple[str, ...]

    @property
    def half(self) -> Half:
        """Which half it belongs to: the first bit of the name's SHA-256."""
        return "run" if hashlib.sha256(self.name.encode()).digest()[0] < 128 else "base"


def bundled_documents(library: Path | None = None, half: Half | None = None) -> Iterator[BundledDocument]:
    """Docstrings, block comments and help topics of Python's modules, in order of path.

    Args:
        library: Folder of the standard library; by default the one of the Python that runs.
        half: Only this half; None = both.

    Raises:
        SourceError: The folder holds no Python source.
    """
    folder = library or Path(sysconfig.get_path("stdlib"))
    found = False
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder)
        if _SKIPPED.isdisjoint(inside.parts):
            for document in _module(path, ".".join(inside.with_suffix("").parts)):
                found = True
                if half is None or document.half == half:
                    yield document
    if not found:
        raise SourceError(f"no documentation of Python modules under {folder}", hint="Give another folder.")


def base_documents(library: Path | None = None) -> list[BundledDocument]:
    """The half `base`, without empty paragraphs and without any that stands in the half `run`.

    Raises:
        SourceError: The folder holds no Python source.
    """
    everything = list(bundled_documents(library))
    taken = {paragraph_key(text) for one in everything if one.half == "run" for text in one.paragraphs}
    kept = []
    for one in everything:
        own = tuple(text for text in one.paragraphs if paragraph_key(text) and paragraph_key(text) not in taken)
        if one.half == "base" and own:
            kept.append(BundledDocument(one.name, one.title, own))
    return kept


def paragraph_key(text: str) -> str:
    """The case-folded words of a paragraph: equal keys are the same paragraph."""
    return " ".join(_WORD.findall(text.casefold()))


def _module(path: Path, name: str) -> Iterator[BundledDocument]:
    try:
        source = path.read_text("utf-8")
        tree = ast.parse(source)
    except (UnicodeDecodeError, SyntaxError):  # a few modules hold broken text on purpose
        return
    if name == _TOPICS:
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                for key, value in ast.literal_eval(node).items():
                    yield BundledDocument(f"{name}.{key}", f"Python topic {key}", tuple(paragraphs_of(value)))
        return
    paragraphs: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            paragraphs += paragraphs_of(ast.get_docstring(node) or "")
    yield BundledDocument(name, name, (*paragraphs, *_comment_paragraphs(source)))


def paragraphs_of(text: str) -> list[str]:
    """The paragraphs and list items of a documentation text, as plain words."""
    pieces = [piece for block in _BLANK.split(text) for piece in _BULLET.split("\n" + block)]
    return [_without_markup(piece) for piece in pieces]


def _without_markup(text: str) -> str:
    """Plain words for what the documentation marks as code: no roles, no back quotes, no `()` or quotes on a name."""
    return _QUOTED_NAME.sub(r"\2", _MARKUP.sub("", text)).strip()


def _comment_paragraphs(source: str) -> list[str]:
    paragraphs: list[list[str]] = [[]]
    for line in source.splitlines():
        bare = line.strip()
        words = bare.lstrip("#").strip() if bare.startswith("#") and not bare.startswith("#!") else ""
        if words:
            paragraphs[-1].append(words)
        elif paragraphs[-1]:
            paragraphs.append([])
    return [_without_markup(" ".join(lines)) for lines in paragraphs]
