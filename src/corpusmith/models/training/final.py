"""The finished model: `output/final`, whole or not there, the same bytes wherever it was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from corpusmith.models.training.checkpoints import PARTIAL, full_disk_is_told, publish

FINAL = "final"
_NOT_OURS = ("README.md", "training_args.bin")


def write_final(trainer: Any, output: Path, base_is_folder: bool) -> Path:
    """Write model or adapter and tokenizer as safetensors and JSON. All workers call it; the first one writes.

    An adapter's configuration does not name the base's folder: paths are this machine's, and would end up in digests.

    Raises:
        WorkspaceError: The disk is full.
    """
    made, place = output / PARTIAL / FINAL, output / FINAL
    with full_disk_is_told(output):
        trainer.save_model(str(made))
        if trainer.args.should_save:
            for name in _NOT_OURS:
                (made / name).unlink(missing_ok=True)
            shutil.rmtree(made / "ref", ignore_errors=True)  # DPO's frozen copy of the adapter it went on from
            config = made / "adapter_config.json"
            if config.is_file() and base_is_folder:
                said = json.loads(config.read_text(encoding="utf-8"))
                said["base_model_name_or_path"] = None
                config.write_text(json.dumps(said, indent=2, sort_keys=True), encoding="utf-8")
            publish(made, place)
            shutil.rmtree(output / PARTIAL, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
    return place
