"""The registry of models: immutable versions, the aliases champion, candidate and previous, and every move of them.

A promotion is one transaction: it swaps the champion only if it is still the one that the caller saw, and writes the
event with it, so two promotions at once end with one winner and a kill leaves the old state or the new. Evidence and
gates are checked before; all that they look at (versions, evaluations, files) is immutable or compared by digest.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.core.gates import Gate
from corpusmith.core.promotion import PromotionReport, hold
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.database import Database, ModelEvaluationRow, ModelEventRow, ModelHeadRow, ModelVersionRow
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.model_evidence import (
    DigestOf,
    Evidence,
    evidence_of,
    finite,
    manifest_of,
    refuse_broken_training,
    verify,
)
from corpusmith.store.model_records import (
    ALIASES,
    Aliases,
    ModelEvaluation,
    ModelEvent,
    ModelVersion,
    Promotion,
    check_name,
)


@dataclass(frozen=True)
class ModelRegistry:
    """The models of a workspace, for one actor.

    Attributes:
        database: The ledger.
        artifacts: Where models and evaluations lie.
        digest_of: Digest of a model folder.
        by: Who acts, for the record.
        run_id: The run on whose behalf, if any.
    """

    database: Database
    artifacts: ArtifactStore
    digest_of: DigestOf
    by: str
    run_id: str | None = None

    # -- looking -------------------------------------------------------------------------------------------------------

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """Every version, or those of one name, in the order of registration."""
        query = select(ModelVersionRow).order_by(ModelVersionRow.n)
        if name is not None:
            query = query.where(ModelVersionRow.name == name)
        with self.database.session() as session:
            return [ModelVersion.model_validate(row) for row in session.scalars(query)]

    def aliases(self, name: str) -> Aliases:
        """Where the aliases of a name point; nowhere for a name that does not exist."""
        with self.database.session() as session:
            head = session.get(ModelHeadRow, name)
            return Aliases() if head is None else Aliases.model_validate(head)

    def resolve(self, ref: str) -> ModelVersion:
        """The version of `name@version`, `name@alias`, `name` (its champion, else its newest) or an artifact id.

        Raises:
            NotFoundError: Nothing answers to it.
        """
        name, at, tag = ref.partition("@")
        found = self.versions(name)
        if not found and not at:
            found = [v for v in self.versions() if ref in (v.artifact, v.digest) or _begins(v.artifact, ref)]
            if len({(v.name, v.digest) for v in found}) == 1:
                return found[0]
        elif found:
            aliases = self.aliases(name)
            wanted = getattr(aliases, tag) if tag in ALIASES else None
            if not at:
                wanted = aliases.champion or found[-1].version
            chosen = [v for v in found if v.version == wanted or (tag.isdecimal() and v.version == int(tag))]
            if chosen:
                return chosen[0]
        what = f"several models answer to {ref!r}" if len(found) > 1 and not at else f"no model {ref!r}"
        raise NotFoundError(what, hint="See `corpusmith model list`.")

    def events(self, name: str) -> list[ModelEvent]:
        """Every move of a name's aliases, oldest first."""
        query = select(ModelEventRow).where(ModelEventRow.name == name).order_by(ModelEventRow.n)
        with self.database.session() as session:
            return [ModelEvent.model_validate(row) for row in session.scalars(query)]

    def evaluations(self, version: ModelVersion) -> list[ModelEvaluation]:
        """Every evaluation of a version that was held against gates, oldest first."""
        query = select(ModelEvaluationRow).order_by(ModelEvaluationRow.n)
        query = query.where(ModelEvaluationRow.name == version.name, ModelEvaluationRow.version == version.version)
        with self.database.session() as session:
            return [ModelEvaluation.model_validate(row) for row in session.scalars(query)]

    # -- acting --------------------------------------------------------------------------------------------------------

    def register(self, name: str, artifact: str, why: str = "") -> ModelVersion:
        """Make a model artifact the next version of `name` and its candidate; a known digest keeps its version.

        Raises:
            NotFoundError: There is no such artifact.
            ParameterError: The name cannot be one.
            PreconditionError: It is no model, its training failed, or its files are not those it names.
        """
        check_name(name)
        model = self.artifacts.open(artifact)
        manifest = manifest_of(model)
        refuse_broken_training(model)
        verify(model, manifest.digest, self.digest_of)
        base_digest = self._base_digest(model)
        data = model.record.inputs.get("data")
        while True:
            row = ModelVersionRow(
                name=name, artifact=artifact, digest=manifest.digest, kind=manifest.kind, base=manifest.base,
                base_digest=base_digest, data=data, run_id=self.run_id, by=self.by,
            )  # fmt: skip
            try:
                return self._register(row, why)
            except IntegrityError:  # another process took that version, or registered this digest, at the same moment
                continue

    def _register(self, row: ModelVersionRow, why: str) -> ModelVersion:
        with self.database.session() as session:
            same = ModelVersionRow.name == row.name
            known = session.scalar(select(ModelVersionRow).where(same, ModelVersionRow.digest == row.digest))
            if known is not None:
                return ModelVersion.model_validate(known)
            row.version = (session.scalar(select(func.max(ModelVersionRow.version)).where(same)) or 0) + 1
            session.add(row)
            session.flush()
            head = session.get(ModelHeadRow, row.name)
            if head is None:
                head = ModelHeadRow(name=row.name)
                session.add(head)
            before, head.candidate = head.candidate, row.version
            session.add(self._event(row.name, "register", "candidate", before, row.version, why))
            session.flush()
            return ModelVersion.model_validate(row)

    def _base_digest(self, model: StoredDataset) -> str | None:
        manifest = manifest_of(model)
        if manifest.base is None:
            return manifest.base_digest
        digest = manifest_of(self.artifacts.open(manifest.base)).digest
        if manifest.base_digest not in (None, digest):
            raise PreconditionError(
                f"model {model.id} was made from digest {str(manifest.base_digest)[:12]}, its base {manifest.base} has "
                f"{digest[:12]}",
                hint="Make the model anew.",
            )
        return digest

    def check_files(self, version: ModelVersion) -> None:
        """Compare a version's files with its digest.

        Raises:
            PreconditionError: They were changed since it was registered.
        """
        verify(self.artifacts.open(version.artifact), version.digest, self.digest_of)

    def judge(
        self, version: ModelVersion, evaluation: str, floors: tuple[Gate, ...] = (), tolerance: float = 0.0
    ) -> PromotionReport:
        """Hold an evaluation against the gates of a promotion, and record the outcome.

        Raises:
            NotFoundError: There is no such evaluation.
            PreconditionError: It is of another model, or the model's files were changed.
        """
        return self._judge(version, evaluation, floors, tolerance, self.aliases(version.name).champion)

    def _judge(
        self, version: ModelVersion, evaluation: str, floors: tuple[Gate, ...], tolerance: float, champion: int | None
    ) -> PromotionReport:
        found = evidence_of(self.artifacts, evaluation)
        if found.model_digest != version.digest:
            raise PreconditionError(
                f"evaluation {evaluation} is of digest {found.model_digest[:12]}, not of {version.ref} "
                f"({version.digest[:12]})",
                hint="Evaluate this very model.",
            )
        self.check_files(version)
        rival = None if champion in (None, version.version) else self.resolve(f"{version.name}@{champion}")
        report = hold(
            found.primary, floors, found.card, tuple(_mismatches(version, found, rival)),
            base=version.base_digest is not None, champion=rival is not None, tolerance=tolerance,
        )  # fmt: skip
        with self.database.session() as session:
            session.add(
                ModelEvaluationRow(
                    name=version.name, version=version.version, digest=version.digest, evaluation=evaluation,
                    data=found.data, data_digest=found.data_digest, champion=rival.version if rival else None,
                    scorecard=finite(found.card.model_dump(mode="json")), report=report.model_dump(mode="json"),
                    passed=report.passed,
                )
            )  # fmt: skip
        return report

    def promote(
        self,
        version: ModelVersion,
        evaluation: str,
        *,
        expected: int | None,
        why: str,
        floors: tuple[Gate, ...] = (),
        tolerance: float = 0.0,
    ) -> Promotion:
        """Make a version the champion, if the evaluation passes and the champion is still `expected`.

        Raises:
            NotFoundError: There is no such evaluation.
            PreconditionError: The evaluation is of another model, the files were changed, or the champion is no longer
                `expected` (then nothing moved).
        """
        now = self.aliases(version.name).champion
        if now == version.version:
            return Promotion(version=version, promoted=False, already=True, before=now)
        report = self._judge(version, evaluation, floors, tolerance, expected)
        if report.passed:
            with self.database.session() as session:
                self._swap(session, version.name, expected, version.version, previous=expected)
                head = session.get_one(ModelHeadRow, version.name)
                if head.candidate == version.version:
                    head.candidate = None
                event = self._event(version.name, "promote", "champion", expected, version.version, why)
                event.evaluation, event.report = evaluation, report.model_dump(mode="json")
                session.add(event)
        return Promotion(version=version, promoted=report.passed, before=expected, report=report)

    def rollback(self, name: str, why: str) -> tuple[ModelVersion, ModelVersion]:
        """Make the previous champion the champion again, and the other way round: (new champion, old champion).

        Raises:
            NotFoundError: No model has that name.
            PreconditionError: There is no previous champion, its files were changed, or a promotion came between.
        """
        if not self.versions(name):
            raise NotFoundError(f"no model {name!r}", hint="See `corpusmith model list`.")
        seen = self.aliases(name)
        if seen.previous is None:
            raise PreconditionError(
                f"{name} has no previous champion to go back to", hint="See `corpusmith model list`."
            )
        back, gone = self.resolve(f"{name}@{seen.previous}"), self.resolve(f"{name}@{seen.champion}")
        self.check_files(back)
        with self.database.session() as session:
            self._swap(session, name, gone.version, back.version, previous=gone.version)
            session.add(self._event(name, "rollback", "champion", gone.version, back.version, why))
        return back, gone

    def _swap(self, session: Session, name: str, expected: int | None, champion: int, previous: int | None) -> None:
        """Compare and swap. The first statement of its transaction, so that it holds the lock from here on."""
        head = update(ModelHeadRow).where(
            ModelHeadRow.name == name, ModelHeadRow.champion.is_not_distinct_from(expected)
        )
        head = head.values(champion=champion, previous=previous).execution_options(synchronize_session=False)
        if session.connection().execute(head).rowcount != 1:
            seen, now = (f"version {v}" if v else "none" for v in (expected, self.aliases(name).champion))
            raise PreconditionError(
                f"the champion of {name} is {now}, no longer {seen}; nothing was moved",
                hint="Evaluate against the champion of now, and promote again.",
                name=name,
            )

    def _event(
        self, name: str, action: str, alias: str, before: int | None, after: int | None, why: str
    ) -> ModelEventRow:
        return ModelEventRow(
            name=name, action=action, alias=alias, from_version=before, to_version=after, by=self.by, why=why,
            run_id=self.run_id,
        )  # fmt: skip


def _begins(artifact: str, ref: str) -> bool:
    return len(ref) >= 4 and artifact.startswith(ref)


def _mismatches(version: ModelVersion, found: Evidence, rival: ModelVersion | None) -> list[str]:
    """What an evaluation was compared with or checked against that does not fit this promotion."""
    out = []
    if version.base_digest is not None and found.base_digest != version.base_digest:
        out.append("it was not compared with the base that the model was made from")
    if rival is not None and found.champion_digest != rival.digest:
        out.append(f"it was not compared with the champion, {rival.ref}")
    if version.data is not None and found.train != version.data:
        out.append("its rows were not checked against the data that the model was trained on")
    return out
