"""DPO (Rafailov et al. 2023, arXiv:2305.18290) by TRL's trainer, on data that are ids already.

The reference is the base with its adapter off; for an adapter that DPO goes on from, a frozen copy of it; for full
weights, the base loaded a second time.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from trl.trainer.dpo_trainer import DPOTrainer

from corpusmith.models.training.batches import Batch
from corpusmith.models.training.trainer import Loop


class PreferenceTrainer(Loop, DPOTrainer):  # type: ignore[misc,unused-ignore]
    """TRL's loss in our loop."""

    def _prepare_dataset(self, dataset: Any, *_args: Any, **_kwargs: Any) -> Any:
        """Nothing: the columns are `prompt_ids`, `chosen_ids` and `rejected_ids` already, which the collator takes."""
        return dataset

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,  # noqa: ARG002
        num_items_in_batch: Tensor | int | None = None,  # noqa: ARG002
    ) -> Any:
        """TRL's mean over pairs, weighted when a batch was divided."""
        loss = super().compute_loss(model, inputs)  # type: ignore[no-untyped-call,unused-ignore]
        return loss * self.share if self.model.training else loss

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> tuple[list[Batch], None]:
        """The window's batches; DPO's loss is a mean over pairs, so no token count scales it."""
        window, _ = super().get_batch_samples(*args, **kwargs)
        return window, None

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """TRL's evaluation, off the clock."""
        with self.clock.paused():
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        return metrics
