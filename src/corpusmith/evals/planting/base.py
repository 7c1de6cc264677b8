"""Where undamaged text comes from: the documentation of Python's own modules, any folder of documents, and small texts
in other languages.

Python's modules are read by `sources.bundled`: the rows are the same for one version of Python, and differ for another.
"""

from __future__ import annotations

import re
import sysconfig
from functools import lru_cache
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from corpusmith.core.errors import SourceError
from corpusmith.evals.planting.prose import BaseRow, pack, without_near_duplicates
from corpusmith.sources.bundled import Half, bundled_documents, paragraphs_of

_BLANK = re.compile(r"\n[ \t]*\n")
_TEXTS = ("texts", "../../../../examples/texts")


def stdlib_rows(library: Path | None = None, half: Half | None = None) -> list[BaseRow]:
    """Clean English rows out of the docstrings, the block comments and the help topics of Python's modules.

    Args:
        library: Folder of the standard library; by default the one of the Python that runs.
        half: Only documents of this half (`sources.bundled`); None = all.

    Raises:
        SourceError: The folder holds no Python source.
    """
    return list(_read_once(library or Path(sysconfig.get_path("stdlib")), half))


@lru_cache(maxsize=2)
def _read_once(library: Path, half: Half | None) -> tuple[BaseRow, ...]:
    """Reading takes seconds, and a suite plants several corpora."""
    rows: list[BaseRow] = []
    for document in bundled_documents(library, half):
        rows.extend(pack(document.title, document.paragraphs, len(rows)))
    if not rows:
        raise SourceError("no English prose in Python's own modules", hint="Give a folder with --base.")
    return tuple(without_near_duplicates(rows))


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
        title, paragraphs = _page_texts(text) if path.suffix in {".html", ".htm"} else (path.stem, paragraphs_of(text))
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
