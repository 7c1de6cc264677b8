"""How generated instructions are worded, and which headings say too little to ask about.

Several wordings per template, chosen by a seeded hash, so that a model does not learn one sentence. The English ones
are built in; `generate` takes others for other languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "heading": (
            "Explain the topic “{topic}”.",
            "What should I know about “{topic}”?",
            "Write a section titled “{topic}”.",
            "Give me an explanation of “{topic}”.",
            "Tell me about “{topic}”.",
            "What is there to say about “{topic}”?",
            "Walk me through “{topic}”.",
            "I would like to understand “{topic}”. Can you explain it?",
        ),
        "how_to": (
            "How can I {topic}?",
            "Explain how to {topic}.",
            "How do I {topic}?",
            "I want to {topic}. How do I go about it?",
            "Describe how to {topic}.",
        ),
        "definition": (
            "What is {topic}?",
            "Define {topic}.",
            "How would you define {topic}?",
            "Explain what {topic} is.",
            "What is meant by {topic}?",
        ),
        "definitions": (
            "What are {topic}?",
            "Define {topic}.",
            "Explain what {topic} are.",
            "What is meant by {topic}?",
        ),
        "term": (
            "What does “{topic}” mean?",
            "Explain the term “{topic}”.",
            "What is meant by “{topic}”?",
            "Describe “{topic}” briefly.",
        ),
        "list": (
            "Give the list that belongs here: {topic}",
            "{topic} List them.",
            "Complete this with the full list. {topic}",
            "Write out the points that follow. {topic}",
        ),
        "function": (
            "What does the function `{topic}` do?",
            "Describe the function `{topic}`.",
            "Write the documentation of `{topic}`.",
            "Explain what `{topic}` is for.",
        ),
        "opening": (
            "Write the opening of a text titled “{topic}”.",
            "Introduce the subject “{topic}”.",
            "How would a text about “{topic}” begin?",
            "Write an introduction to “{topic}”.",
        ),
        "continuation": (
            "Continue this text:\n\n{topic}",
            "Write the paragraph that comes next:\n\n{topic}",
            "What could follow on this passage?\n\n{topic}",
        ),
    }
)
"""Wordings by template; `{topic}` is filled in. The `question` template has none: the question is the text's own."""

IN_TITLE = "On “{title}”: "
"""Put before an instruction where it would otherwise stand twice in the data, or its topic needs a setting."""

VAGUE = frozenset(
    (
        "introduction", "intro", "overview", "background", "motivation", "summary", "conclusion", "conclusions",
        "notes", "note", "description", "details", "usage", "example", "examples", "options", "synopsis",
        "name", "results", "discussion", "method", "methods", "methodology", "features", "requirements",
        "installation", "setup", "getting started", "prerequisites", "final thoughts", "wrapping up", "wrap-up",
        "diagnostics", "environment", "files", "bugs", "caveats", "limitations", "history", "standards",
        "return value", "return values", "errors", "parameters", "arguments", "configuration", "how it works",
        "next steps", "what's next", "what’s next", "abstract", "outlook", "tips", "warning", "tl;dr",
        "attributes", "versions", "exit status", "commands",
    )
)  # fmt: skip
"""Headings that ask nothing without the title of their document."""

SKIPPED = frozenset(
    (
        "see also", "references", "reference", "further reading", "resources", "table of contents", "contents",
        "author", "authors", "copyright", "colophon", "license", "licence", "acknowledgements",
        "acknowledgments", "comments", "share", "share this post", "subscribe", "related posts", "related",
        "footnotes", "links", "external links", "contact", "about", "about the author", "about me", "published",
        "navigation", "menu", "sidebar", "newsletter", "categories", "tags", "archives", "search",
        "reporting bugs", "conforming to", "bibliography", "sources", "images", "ready for more?",
        "discussion about this post", "more from medium", "recommended from medium",
    )
)  # fmt: skip
"""Headings over text that answers nothing: left out."""
