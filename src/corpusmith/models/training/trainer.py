"""transformers' Trainer with our loss, our counting, our checkpoints, and a batch that shrinks when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import Trainer

from corpusmith.core.errors import PreconditionError
from corpusmith.models.training.batches import Batch, counted, divisible, split
from corpusmith.models.training.checkpoints import PARTIAL, Record, full_disk_is_told, prune, publish, write_record
from corpusmith.models.training.memory import OUT_OF_MEMORY, release
from corpusmith.models.training.progress import Clock
from corpusmith.models.training.sharding import gathered, processors_count_too
from corpusmith.models.training.spec import TrainSpec

OnCheckpoint = Callable[[Path, int, dict[str, Any]], None]


class Loop(Trainer):  # type: ignore[misc,unused-ignore]
    """What every method shares. `attach` must be called before `train`."""

    model: Any
    args: Any
    share = 1.0
    """Part of its batch that the pass at hand is; below 1 after memory ran out."""

    def attach(
        self, spec: TrainSpec, record: Record, clock: Clock, emit: Callable[[str], None], tell: OnCheckpoint | None
    ) -> None:
        """Give the trainer its surroundings."""
        self.spec, self.record, self.clock, self.emit, self.tell = spec, record, clock, emit, tell
        self._window: list[Batch] = []
        self._done = 0
        self._kept_seconds = record.seconds
        self._counts = torch.zeros(2, dtype=torch.int64, device=self.args.device)
        self._staging = False

    def create_accelerator_and_postprocess(self) -> None:
        """Set Accelerate up, so that weights are sharded on CPUs too."""
        with processors_count_too(bool(self.args.fsdp)):
            super().create_accelerator_and_postprocess()

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write whole weights; of sharded ones, a checkpoint (an internal call) holds the shards already."""
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)
            return
        adapter = isinstance(self.model, PeftModel)
        if adapter or not _internal_call:
            self._save(output_dir, state_dict=gathered(self.model, trainable_only=adapter))

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None: the card is another step's work."""

    def drain(self) -> None:
        """Move what was counted on the device into the record (waits for the device)."""
        loss_tokens, tokens = self._counts.tolist()
        self._counts.zero_()
        self.record.tokens += tokens
        self.record.loss_tokens += loss_tokens

    @property
    def seconds_in_all(self) -> float:
        """Seconds of training, those before a resume included."""
        return self._kept_seconds + self.clock.seconds

    # ---- one optimizer step: the batches of its window

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], Tensor | None]:
        """The window's batches, and the loss-bearing tokens in all of them over all workers."""
        window = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        self._window, self._done = window, 0
        pairs = [torch.stack(counted(batch)) for batch in window]
        counts = torch.stack(pairs).sum(0).to(device) if pairs else torch.zeros(2, dtype=torch.int64, device=device)
        if self.args.world_size > 1:
            counts = self.accelerator.gather(counts[None]).sum(0)
        self._counts += counts
        return window, counts[0].clamp(min=1)

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Forward and backward; when memory runs out, the whole window again with batches of half the size.

        Gradients of the window are dropped and formed anew, weights and optimizer are as the last step left them, and
        the loss is divided by the same number of tokens: the step is the same as if memory had sufficed.

        Raises:
            PreconditionError: One row does not fit, or several workers train (where only a restart can help).
        """
        again = False
        while True:
            try:
                if again:
                    model.zero_grad()
                    for earlier in self._window[: self._done]:
                        self._in_parts(model, earlier, num_items_in_batch)
                loss = self._in_parts(model, inputs, num_items_in_batch)
                break
            except OUT_OF_MEMORY:
                again = True
            self._halve()
        self._done += 1
        return loss

    def _in_parts(self, model: Any, inputs: Batch, num_items: Tensor | int | None) -> Tensor:
        pieces = split(inputs, self.record.parts)
        losses = []
        for piece in pieces:
            self.share = divisible(piece) / max(1, divisible(inputs))
            losses.append(super().training_step(model, piece, num_items))
        return torch.stack(losses).sum()

    def _halve(self) -> None:
        rows = max(divisible(batch) for batch in self._window)
        now = -(-rows // self.record.parts)
        if self.args.world_size > 1 or now <= 1:
            where = f"{self.args.world_size} workers, {now} rows each" if now > 1 else "a single row"
            raise PreconditionError(
                f"out of memory with {where} of up to {self.spec.sequence_length} tokens per step",
                hint="lower rows_per_step or sequence_length, set gradient_checkpointing, or take a smaller base",
                rows_per_step=now,
            )
        release()
        self.record.parts *= 2
        self.record.halvings += 1
        self.emit(
            f"out of memory with {now} rows per step: going on with {-(-now // 2)}, accumulated "
            f"{self.args.gradient_accumulation_steps * self.record.parts} times (the batch stays the same)"
        )

    # ---- checkpoints

    def _get_output_dir(self, trial: Any) -> str:  # noqa: ARG002
        return str(Path(self.args.output_dir, PARTIAL)) if self._staging else str(self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        output, name = Path(self.args.output_dir), f"checkpoint-{self.state.global_step}"
        with self.clock.paused(), full_disk_is_told(output):
            self.drain()
            self.record.seconds = self.seconds_in_all
            self._staging = True
            try:
                super()._save_checkpoint(model, trial)
            finally:
                self._staging = False
            if self.args.should_save:
                (output / PARTIAL / name / "training_args.bin").unlink(missing_ok=True)
                write_record(output / PARTIAL / name, self.spec, self.record)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                publish(output / PARTIAL / name, output / name)
                prune(output, self.spec.keep_checkpoints)
            self.accelerator.wait_for_everyone()
            if self.tell is not None:
                self.tell(output / name, self.state.global_step, self._metrics_so_far())

    def _metrics_so_far(self) -> dict[str, Any]:
        def newest(key: str) -> float | None:
            return next((point[key] for point in reversed(self.record.curve) if point[key] is not None), None)

        return {
            "step": self.state.global_step,
            "loss": newest("loss"),
            "holdout_loss": newest("holdout_loss"),
            "tokens": self.record.tokens,
            "loss_tokens": self.record.loss_tokens,
            "seconds": self.record.seconds,
        }


class RowTrainer(Loop):
    """SFT and continued pre-training: the summed loss over the window's loss-bearing tokens."""

    loss_is_scaled_for_ga = True

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Mean loss over the tokens of the whole window; times workers, as gradients are averaged over them."""
        output = model(**{name: value for name, value in inputs.items() if name != "real"})
        if num_items_in_batch is None:
            num_items_in_batch = counted(inputs)[0].clamp(min=1)
        loss = output.loss / num_items_in_batch * self.args.world_size
        return (loss, output) if return_outputs else loss

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,  # noqa: ARG002
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Loss per loss-bearing token of the holdout."""
        was_training = self.model.training
        self.model.eval()
        total = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        with self.clock.paused(), torch.no_grad():
            for batch in self.get_eval_dataloader(eval_dataset):
                for piece in split(self._prepare_inputs(batch), self.record.parts):
                    output = self.model(**{name: value for name, value in piece.items() if name != "real"})
                    total += torch.stack([output.loss.double(), counted(piece)[0].double()]).to(total.device)
        self.model.train(was_training)
        if self.args.world_size > 1:
            total = self.accelerator.gather(total[None]).sum(0)
        metrics = {f"{metric_key_prefix}_loss": float(total[0] / total[1].clamp(min=1))}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics
