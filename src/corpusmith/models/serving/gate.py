"""Who is let in: API keys, a rate of requests and of tokens for each, and nobody while the server drains.

Keys are looked at in memory, read anew in a thread every half second: a request costs no look into the database, and a
revoked key is out within that time. While no key was ever made the server is open, to this machine alone: it binds to
loopback only (`refuse_open_elsewhere`), and a request is turned away that names another host (a web page whose name was
pointed here) or comes from a page of another (its `Origin`).
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from corpusmith.core.errors import PreconditionError
from corpusmith.models.serving.contract import ANYONE, Caller, Refused
from corpusmith.store.api_keys import ApiKey, parse_key


@dataclass
class Bucket:
    """A token bucket that holds a minute's worth. It may go below zero: what is spent is known only afterwards."""

    per_minute: int
    level: float
    seen: float

    @classmethod
    def full(cls, per_minute: int, now: float) -> Bucket:
        """One that nothing was taken from."""
        return cls(per_minute, float(per_minute), now)

    def wait_s(self, wanted: float, now: float) -> float:
        """Seconds until `wanted` is in it, 0 = it is."""
        self.level = min(float(self.per_minute), self.level + (now - self.seen) * self.per_minute / 60)
        self.seen = now
        return max(0.0, (wanted - self.level) * 60 / self.per_minute)


class KeyGate:
    """A `contract.Gatekeeper` over the keys of a workspace."""

    def __init__(self, read: Callable[[], Sequence[ApiKey]], clock: Callable[[], float] = time.monotonic) -> None:
        """Read the keys for the first time.

        Args:
            read: Every key that was ever made.
            clock: Monotonic seconds.
        """
        self._read, self._clock = read, clock
        self._keys: dict[str, ApiKey] = {}
        self._by_name: dict[str, ApiKey] = {}
        self._requests: dict[str, Bucket] = {}
        self._tokens: dict[str, Bucket] = {}
        self.draining = False
        self.refresh()

    @property
    def is_open(self) -> bool:
        """Whether no key was ever made."""
        return not self._keys

    def refresh(self) -> None:
        """Read the keys anew; may run in a thread."""
        keys = self._read()
        self._by_name = {key.name: key for key in keys}
        self._keys = {key.id: key for key in keys}

    def admit(self, headers: Mapping[str, str]) -> Caller:
        """See `contract.Gatekeeper.admit`."""
        if self.draining:
            raise Refused(503, "the server is shutting down", "server_error", code="draining", retry_after_s=2.0)
        caller = self.identify(headers)
        key = self._by_name.get(caller.id)
        if key is not None:
            self._take_request(key)
        return caller

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """Who asks, without counting it.

        Raises:
            Refused: 401 without a good key, 403 from another machine where there are none.
        """
        if self.is_open:
            origin = headers.get("origin", "")
            if not _is_local(f"//{headers.get('host', '')}") or (origin and not _is_local(origin)):
                raise Refused(403, "this server has no keys and answers its own machine only", "permission_error")
            return Caller(ANYONE)
        key = self._key(headers.get("authorization", ""))
        return Caller(key.name, redact=key.redact)

    def _key(self, header: str) -> ApiKey:
        scheme, _, sent = header.partition(" ")
        if not header or scheme.lower() != "bearer":
            raise _unauthorized("no API key: send it as `Authorization: Bearer KEY`")
        parsed = parse_key(sent.strip())
        key = self._keys.get(parsed[0]) if parsed else None
        if parsed is None or key is None or not key.opens(parsed[1]):
            raise _unauthorized("the API key is not a good one")
        if key.revoked is not None:
            raise _unauthorized("the API key was revoked")
        return key

    def _take_request(self, key: ApiKey) -> None:
        now = self._clock()
        if key.tokens_per_minute is not None:
            tokens = self._tokens.setdefault(key.name, Bucket.full(key.tokens_per_minute, now))
            if wait := tokens.wait_s(1.0, now):
                raise _too_many("tokens", key.tokens_per_minute, wait)
        if key.requests_per_minute is not None:
            requests = self._requests.setdefault(key.name, Bucket.full(key.requests_per_minute, now))
            if wait := requests.wait_s(1.0, now):
                raise _too_many("requests", key.requests_per_minute, wait)
            requests.level -= 1

    def spend(self, caller: Caller, tokens: int) -> None:
        """See `contract.Gatekeeper.spend`."""
        key = self._by_name.get(caller.id)
        if key is not None and key.tokens_per_minute is not None:
            now = self._clock()
            bucket = self._tokens.setdefault(key.name, Bucket.full(key.tokens_per_minute, now))
            bucket.wait_s(0.0, now)
            bucket.level -= tokens


def _unauthorized(message: str) -> Refused:
    return Refused(401, message, "authentication_error", code="invalid_api_key")


def _too_many(what: str, limit: int, wait_s: float) -> Refused:
    return Refused(
        429, f"over the key's {limit} {what} per minute", what, code="rate_limit_exceeded", retry_after_s=wait_s
    )


def refuse_open_elsewhere(host: str, has_keys: bool) -> None:
    """Refuse to listen to other machines while nobody would have to show a key.

    Raises:
        PreconditionError: The host is not loopback and there are no keys.
    """
    if not has_keys and not is_loopback(host):
        raise PreconditionError(
            f"without API keys the server listens to this machine only, not on {host}",
            hint="Make a key first: corpusmith key create NAME",
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_local(url: str) -> bool:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)
