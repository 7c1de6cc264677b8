"""How a planted corpus is damaged: for each profile, which share of its rows has which damage, and the request."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ProfileName(StrEnum):
    """Profiles that can be planted."""

    DEMO = "demo"
    CRAWL = "crawl"
    MULTILINGUAL = "multilingual"
    INSTRUCTIONS = "instructions"


@dataclass(frozen=True)
class Profile:
    """Shares of all rows (0-1) by kind of damage; what is left is clean. `copies_each`: exact copies of one origin."""

    request: str
    shares: dict[str, float]
    pages: int = 0
    documents: int = 0
    items: int = 0
    copies_each: int = 2
    legacy: tuple[str, ...] = field(default=())


PROFILES: dict[ProfileName, Profile] = {
    ProfileName.DEMO: Profile(
        request="Turn {corpus} into a deduplicated English text dataset, remove personal data, and remove everything "
        "that stands in {evals}.",
        shares={
            "exact_copy": 0.13,
            "near_copy": 0.14,
            "distant_copy": 0.025,
            "other_language": 0.10,
            "boilerplate": 0.06,
            "pii": 0.07,
            "pii_copy": 0.005,
            "encoding": 0.04,
            "file_encoding": 0.02,
            "html": 0.04,
            "empty": 0.02,
            "truncated": 0.04,
            "garbage": 0.035,
            "eval_item": 0.05,
            "eval_decoy": 0.01,
            "order": 0.013,
        },
        pages=120,
        documents=50,
        items=180,
        copies_each=5,
        legacy=("cp1252", "utf-16"),
    ),
    ProfileName.CRAWL: Profile(
        request="Clean this crawl in {corpus}: keep good English pages without their boilerplate, no copies and no "
        "personal data.",
        shares={
            "exact_copy": 0.15,
            "near_copy": 0.10,
            "distant_copy": 0.02,
            "other_language": 0.02,
            "boilerplate": 0.28,
            "pii": 0.03,
            "encoding": 0.02,
            "html": 0.07,
            "empty": 0.03,
            "truncated": 0.04,
            "garbage": 0.06,
            "order": 0.015,
        },
        pages=60,
        copies_each=4,
    ),
    ProfileName.MULTILINGUAL: Profile(
        request="Keep only the English rows of {corpus}, repair their text, remove copies and personal data.",
        shares={
            "exact_copy": 0.05,
            "near_copy": 0.03,
            "distant_copy": 0.01,
            "other_language": 0.40,
            "pii": 0.03,
            "encoding": 0.15,
            "file_encoding": 0.06,
            "html": 0.01,
            "empty": 0.02,
            "truncated": 0.03,
            "garbage": 0.01,
            "order": 0.01,
        },
        documents=30,
        legacy=("cp1252", "latin-1", "utf-16"),
    ),
    ProfileName.INSTRUCTIONS: Profile(
        request="Make a clean instruction dataset out of {corpus}: no repeated prompts, no empty answers, no copies "
        "across the splits, no personal data, and nothing that stands in {evals}.",
        shares={
            "exact_copy": 0.06,
            "near_copy": 0.05,
            "distant_copy": 0.02,
            "leak": 0.08,
            "repeated_prompt": 0.10,
            "empty_response": 0.07,
            "truncated": 0.03,
            "pii": 0.05,
            "eval_item": 0.08,
            "order": 0.015,
        },
        items=180,
    ),
}
"""Every profile by name. An unknown kind in `shares` is an error at planting."""
