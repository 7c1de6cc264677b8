"""Registers the prompt versions that model calls name, so that a span can be compared across versions of its prompt.

A version's Opik commit is a hash of its text, so registering the same text again finds it there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from corpusmith.telemetry.opik_door import OpikDoor


def prompt_commit(template: str) -> str:
    """The Opik commit (8 hex digits) of a prompt text."""
    return hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def register_prompts(door: OpikDoor, named: Iterable[tuple[str, str]], templates: Mapping[str, str]) -> dict[str, str]:
    """Make sure the server holds every prompt version that is named and whose text is known.

    Args:
        door: The server.
        named: (name, version) pairs of model calls.
        templates: Texts by `name@version`, or by `name` for a prompt with one version.

    Returns:
        The commit of each prompt that was found in `templates`, by `name@version`.

    Raises:
        TraceServerError: The server refused or is away.
    """
    from opik.rest_api.types.prompt_version_detail import PromptVersionDetail

    commits: dict[str, str] = {}
    for name, version in dict.fromkeys(named):
        label = f"{name}@{version}"
        template = templates.get(label, templates.get(name))
        if template is None:
            continue
        commit = commits[label] = prompt_commit(template)
        found = door.call(
            f"prompt {label}", door.api.prompts.retrieve_prompt_version, accept=(404,),
            name=name, commit=commit, project_name=door.settings.project,
        )  # fmt: skip
        if found is None:
            detail = PromptVersionDetail(
                commit=commit, template=template, type="mustache", metadata={"version": version}
            )
            door.call(
                f"prompt {label}", door.api.prompts.create_prompt_version, accept=(409,),
                name=name, version=detail, project_name=door.settings.project,
            )  # fmt: skip
    return commits
