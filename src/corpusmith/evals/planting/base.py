"""Where undamaged text comes from: the documentation of Python's own modules, any folder of documents, and small texts
in other languages.

Python's modules are read as source with `ast`, never imported, so the rows are the same for one version of Python and
nothing runs. A different version of Python gives different rows.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from corpusmith.core.errors import SourceError
from corpusmith.evals.planting.prose import BaseRow, pack, without_near_duplicates

_SKIPPED = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "__phello__"})
_BLANK = re.compile(r"\n[ \t]*\n")
_BULLET = re.compile(r"\n[ \t]*(?:[-*+o]|\d+[.)])[ \t]+")
_MARKUP = re.compile(r":(?:\w+:)?\w+:`|[`*]|(?<=\w)\(\)")
_QUOTED_NAME = re.compile(r"""(?<!\w)(["'])([\w.-]+)\1(?!\w)""")
_TEXTS = ("texts", "../../../../examples/texts")


def stdlib_rows(library: Path | None = None) -> list[BaseRow]:
    """Clean English rows out of the docstrings, the block comments and the help topics of Python's modules.

    Args:
        library: Folder of the standard library; by default the one of the Python that runs.

    Raises:
        SourceError: The folder holds no Python source.
    """
    folder = library or Path(sysconfig.get_path("stdlib"))
    rows: list[BaseRow] = []
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder)
        if _SKIPPED.isdisjoint(inside.parts):
            for title, paragraphs in _module_texts(path, ".".join(inside.with_suffix("").parts)):
                rows.extend(pack(title, paragraphs, len(rows)))
    if not rows:
        raise SourceError(f"no documentation of Python modules under {folder}", hint="Give a folder with --base.")
    return without_near_duplicates(rows)


def _module_texts(path: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    try:
        source = path.read_text("utf-8")
        tree = ast.parse(source)
    except (UnicodeDecodeError, SyntaxError):  # a few modules hold broken text on purpose
        return
    if name == "pydoc_data.topics":
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                for key, value in ast.literal_eval(node).items():
                    yield f"Python topic {key}", _paragraphs(value)
        return
    paragraphs: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            paragraphs += _paragraphs(ast.get_docstring(node) or "")
    yield name, paragraphs + _comment_paragraphs(source)


def _paragraphs(text: str) -> list[str]:
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


def folder_rows(folder: Path) -> list[BaseRow]:
    """Clean English rows out of every `.html`, `.htm`, `.md` and `.txt` file under `folder`, in order of path.

    Raises:
        SourceError: The folder is missing or gives no row.
    """
    if not folder.is_dir():
        raise SourceError(f"no such folder: {folder}", hint="Give a folder of HTML or text files with --base.")
    rows: list[BaseRow] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix not in {".html", ".htm", ".md", ".txt"} or not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        title, paragraphs = _page_texts(text) if path.suffix in {".html", ".htm"} else (path.stem, _paragraphs(text))
        rows.extend(pack(title or path.stem, paragraphs, len(rows)))
    if not rows:
        raise SourceError(f"no English prose under {folder}", hint="Give a folder of HTML or text files with --base.")
    return without_near_duplicates(rows)


def _page_texts(page: str) -> tuple[str, list[str]]:
    tree = LexborHTMLParser(page)
    tree.strip_tags(["script", "style", "pre", "table", "nav", "header", "footer"])
    heading = tree.css_first("title")
    title = " ".join(heading.text().split()) if heading else ""
    nodes = tree.css("p, dd, li")
    return title, [node.text() for node in nodes if node.tag == "p" or node.css_first("p") is None]


def language_texts(folder: Path | None = None) -> dict[str, list[str]]:
    """Paragraphs in other languages: ISO 639-1 code -> paragraphs, out of the files `<code>.txt` of `folder`.

    Raises:
        SourceError: There is no such file.
    """
    here = Path(__file__).parent
    folders = [folder] if folder else [(here / place).resolve() for place in _TEXTS]
    for place in folders:
        found = {path.stem: _BLANK.split(path.read_text("utf-8").strip()) for path in sorted(place.glob("??.txt"))}
        if found:
            return {code: [" ".join(piece.split()) for piece in pieces] for code, pieces in found.items()}
    raise SourceError(f"no texts in other languages under {folders[-1]}", hint="Give their folder with --texts.")
