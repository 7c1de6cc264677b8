"""Keys of the served API: made here, shown once, kept as a digest.

A key is `cs-<id>-<secret>`: the id finds the row, the secret is 256 random bits. What is kept is an HMAC-SHA256 of the
secret under the row's own salt. A slow hash protects words that people choose, because they can be guessed; 2**256
random values cannot, so slowness would add nothing but a way to exhaust the server with wrong keys.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from corpusmith.core.errors import NotFoundError, ParameterError, PreconditionError
from corpusmith.store.database import ApiKeyRow, Database

_KEY = re.compile(r"cs-([0-9a-f]{12})-([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ @-]{0,63}")


class ApiKey(BaseModel):
    """One key, without its secret.

    Attributes:
        id: Public part of the key.
        name: Whose or what for; stands in logs and metrics.
        requests_per_minute: Most requests, None = no limit.
        tokens_per_minute: Most tokens of prompts and answers, None = no limit.
        redact: Whether nothing that is said with it may be recorded.
        revoked: When it was revoked, None = it is good.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)
    id: str
    name: str
    salt: str
    digest: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    redact: bool
    by: str
    created: float
    revoked: float | None

    def opens(self, secret: str) -> bool:
        """Whether this is the secret of the key; takes the same time for every wrong one."""
        return hmac.compare_digest(self.digest, _digest(self.salt, secret))


@dataclass(frozen=True)
class ApiKeys:
    """The keys of a workspace."""

    database: Database

    def create(
        self,
        name: str,
        by: str,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        redact: bool = False,
    ) -> tuple[ApiKey, str]:
        """Make a key: (its record, the key itself, which is nowhere else).

        Raises:
            ParameterError: The name cannot be one, or a limit is below 1.
            PreconditionError: There is, or was, a key of that name.
        """
        if not _NAME.fullmatch(name):
            raise ParameterError(f"{name!r} is no name for a key", hint="Use letters, digits, '.', '_', '@' and '-'.")
        if any(limit is not None and limit < 1 for limit in (requests_per_minute, tokens_per_minute)):
            raise ParameterError("a limit per minute is at least 1", hint="Revoke the key to shut it out.")
        secret, salt = secrets.token_urlsafe(32), secrets.token_hex(16)
        row = ApiKeyRow(
            id=secrets.token_hex(6), name=name, salt=salt, digest=_digest(salt, secret),
            requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute, redact=redact, by=by,
            created=time.time(), revoked=None,
        )  # fmt: skip
        try:
            with self.database.session() as session:
                session.add(row)
                session.flush()
                made = ApiKey.model_validate(row)
        except IntegrityError as error:
            raise PreconditionError(
                f"there is a key {name!r} already, or there was", hint="Take another name; see `corpusmith key list`."
            ) from error
        return made, f"cs-{made.id}-{secret}"

    def all(self) -> list[ApiKey]:
        """Every key that was ever made, oldest first."""
        with self.database.session() as session:
            return [
                ApiKey.model_validate(row) for row in session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created))
            ]

    def revoke(self, name: str) -> ApiKey:
        """Shut a key out for good; a revoked one stays as it is.

        Raises:
            NotFoundError: There is no such key.
        """
        with self.database.session() as session:
            good = update(ApiKeyRow).where(ApiKeyRow.name == name, ApiKeyRow.revoked.is_(None))
            session.execute(good.values(revoked=time.time()))
            row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.name == name))
            if row is None:
                raise NotFoundError(f"no key {name!r}", hint="See `corpusmith key list`.")
            return ApiKey.model_validate(row)


def parse_key(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key as it is sent; None for what is none."""
    found = _KEY.fullmatch(text)
    return None if found is None else (found[1], found[2])


def _digest(salt: str, secret: str) -> str:
    return hmac.new(bytes.fromhex(salt), secret.encode(), hashlib.sha256).hexdigest()
