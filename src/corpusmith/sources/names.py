"""Names that data sets give to their fields, by what the field holds. Lower case, without underscores or dashes."""

from __future__ import annotations

TEXT_NAMES = frozenset(
    {
        "text",
        "content",
        "body",
        "document",
        "article",
        "passage",
        "sentence",
        "rawcontent",
        "rawtext",
        "fulltext",
        "markdown",
        "plaintext",
        "story",
        "post",
        "paragraph",
        "abstract",
        "review",
        "comment",
        "tweet",
        "doc",
        "texts",
        "contents",
        "articlebody",
        "description",
        "maintext",
        "cleantext",
    }
)
"""Fields that hold the text of a document."""

ASIDE_NAMES = frozenset(
    {
        "title",
        "subtitle",
        "headline",
        "summary",
        "url",
        "uri",
        "link",
        "href",
        "id",
        "uuid",
        "guid",
        "author",
        "authors",
        "name",
        "path",
        "file",
        "filename",
        "date",
        "time",
        "timestamp",
        "created",
        "updated",
        "lang",
        "language",
        "label",
        "category",
        "tag",
        "tags",
        "source",
        "domain",
        "license",
        "hash",
        "platform",
        "jsonpath",
        "slug",
        "image",
        "thumbnail",
    }
)
"""Fields that hold something about the document."""

CHAT_NAMES = frozenset(
    {
        "messages",
        "conversations",
        "conversation",
        "dialog",
        "dialogue",
        "dialogs",
        "chat",
        "turns",
        "chosen",
        "rejected",
    }
)
"""Fields that hold a list of messages."""

INSTRUCTION_NAMES = ("instruction", "instructions", "prompt", "question", "query", "userprompt", "problem")
INPUT_NAMES = ("input", "inputs", "context")
OUTPUT_NAMES = ("output", "outputs", "response", "completion", "answer", "responses", "solution")
PROMPT_NAMES = ("prompt", "instruction", "question", "query", "input")


def folded(name: str) -> str:
    """`name` as the tables above spell it."""
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
