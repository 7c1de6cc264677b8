"""`corpusmith model export`: write a model to a folder of the person's."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from corpusmith.apps.boundary import boundary
from corpusmith.apps.commands.models import find, open_registry
from corpusmith.apps.output import show, show_json
from corpusmith.core.errors import ParameterError
from corpusmith.models.export import Form, check_target, export_model, form_of
from corpusmith.models.loading import place_of
from corpusmith.ops.model_card import render_model_card
from corpusmith.store.model_evidence import manifest_of
from corpusmith.tools.model_facts import card_of


def export(ref: str, to: Path, form: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith model export`: the person's own act, so it asks nobody."""
    with boundary(as_json, workspace):
        target = to.expanduser().absolute()
        if form not in get_args(Form):
            raise ParameterError(f"--as {form}", hint=f"It may be {' or '.join(get_args(Form))}.")
        check_target(target)
        opened, registry = open_registry(workspace)
        found = find(opened, registry, ref)
        model = opened.artifacts.open(found.artifact)
        manifest = manifest_of(model)
        base = opened.artifacts.open(manifest.base) if manifest.kind == "adapter" and manifest.base else None
        place = place_of(model, base)
        wanted = cast(Form, form)
        card = card_of(registry, found.artifact, form_of(manifest, wanted), found.version)
        done = export_model(place, target, wanted, render_model_card(card))
        if as_json:
            show_json(
                {
                    "status": 0,
                    "path": str(done.path),
                    "form": done.form,
                    "files": done.files,
                    "size_bytes": done.size_bytes,
                    "artifact": found.artifact,
                    "digest": manifest.digest,
                }
            )
        else:
            show(f"{done.form} model, {done.files} files, {done.size_bytes / 1e6:.1f} MB in {done.path}")
