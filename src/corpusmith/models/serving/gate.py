"""Who is let in: API keys, a rate of requests and of tokens for each, and nobody while the server drains.

Keys are looked at in memory, read anew in a thread every half second: a request costs no look into the database, and a
revoked key is out within that time. While no key was ever made the server is open, to this machine alone: it binds to
loopback only (`refuse_open_elsewhere`), and a request is turned away that names another host (a web page whose name was
pointed here) or comes from a page of another (its `Origin`).

A key's rate holds for all processes together. Each counts in memory, tells twice a second what it let in, and learns
what is left for all (`store.key_levels`). Between two looks it does not know of what the others let in: together they
may let in too much then, at most what was left, once for each process but one; it lowers the level below zero, and is
waited for. Where the ledger is away each counts for itself.
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
from corpusmith.store.key_levels import Rate

Settle = Callable[[Mapping[Rate, float], Mapping[Rate, int]], Mapping[Rate, float]]
TOKENS, REQUESTS = "tokens", "requests"

_ANOTHER = "Who runs this server makes one with `corpusmith key create NAME`."


@dataclass(frozen=True)
class Told:
    """What was left for all processes, when that was, and what this one had spent by then."""

    level: float
    at: float
    spent: float


@dataclass
class Bucket:
    """A token bucket that holds a minute's worth. It may go below zero: what is spent is known only afterwards."""

    per_minute: int
    level: float
    seen: float
    told: Told | None = None

    @classmethod
    def full(cls, per_minute: int, now: float) -> Bucket:
        """One that nothing was taken from."""
        return cls(per_minute, float(per_minute), now)

    def wait_s(self, wanted: float, now: float) -> float:
        """Seconds until `wanted` is in it, 0 = it is."""
        self._fill(now)
        return max(0.0, (wanted - self.level) * 60 / self.per_minute)

    def learn(self, told: Told | None, spent: float) -> None:
        """Take what is left for all, less what was spent here since that was told."""
        if told is not None and told is not self.told:
            self.level, self.seen, self.told = told.level - (spent - told.spent), told.at, told

    def _fill(self, now: float) -> None:
        self.level = min(float(self.per_minute), self.level + (now - self.seen) * self.per_minute / 60)
        self.seen = now


class KeyGate:
    """A `contract.Gatekeeper` over the keys of a workspace."""

    def __init__(
        self,
        read: Callable[[], Sequence[ApiKey]],
        clock: Callable[[], float] = time.monotonic,
        settle: Settle | None = None,
    ) -> None:
        """Read the keys for the first time.

        Args:
            read: Every key that was ever made.
            clock: Monotonic seconds.
            settle: Told what was spent and knows what is left, `KeyLevels.settle`; None = this process is alone.
        """
        self._read, self._clock, self._settle = read, clock, settle
        self._spent: dict[Rate, float] = {}  # changed on the loop alone, as the buckets are
        self._settled: dict[Rate, float] = {}
        self._told: Mapping[Rate, Told] = {}
        self._keys: dict[str, ApiKey] = {}
        self._by_name: dict[str, ApiKey] = {}
        self._buckets: dict[Rate, Bucket] = {}
        self.draining = False
        self.refresh()

    @property
    def is_open(self) -> bool:
        """Whether no key was ever made."""
        return not self._keys

    def refresh(self) -> None:
        """Read the keys anew, and settle what was spent; may run in a thread."""
        keys = self._read()
        self._by_name = {key.name: key for key in keys}
        self._keys = {key.id: key for key in keys}
        limits = {rate: limit for key in keys if key.revoked is None for rate, limit in _limits(key).items()}
        if self._settle is None or not limits:
            return
        spent, now = dict(self._spent), self._clock()
        left = self._settle({r: spent.get(r, 0.0) - self._settled.get(r, 0.0) for r in limits}, limits)
        self._settled = {**self._settled, **{rate: spent.get(rate, 0.0) for rate in limits}}
        self._told = {rate: Told(left[rate], now, spent.get(rate, 0.0)) for rate in limits}

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
            raise _unauthorized(f"the API key is not a good one. {_ANOTHER}")
        if key.revoked is not None:
            raise _unauthorized(f"the API key was revoked. {_ANOTHER}")
        return key

    def _take_request(self, key: ApiKey) -> None:
        now, limits = self._clock(), _limits(key)
        for rate, limit in limits.items():  # both before either is taken from
            if wait := self._bucket(rate, limit, now).wait_s(1.0, now):
                raise _too_many(rate[1], limit, wait)
        rate = (key.name, REQUESTS)
        if rate in limits:
            self._take(rate, limits[rate], 1.0)

    def spend(self, caller: Caller, tokens: int) -> None:
        """See `contract.Gatekeeper.spend`."""
        key = self._by_name.get(caller.id)
        if key is not None and key.tokens_per_minute is not None:
            self._take((key.name, TOKENS), key.tokens_per_minute, float(tokens))

    def _take(self, rate: Rate, limit: int, amount: float) -> None:
        now = self._clock()
        bucket = self._bucket(rate, limit, now)
        bucket.wait_s(0.0, now)
        bucket.level -= amount
        self._spent[rate] = self._spent.get(rate, 0.0) + amount

    def _bucket(self, rate: Rate, limit: int, now: float) -> Bucket:
        bucket = self._buckets.setdefault(rate, Bucket.full(limit, now))
        bucket.learn(self._told.get(rate), self._spent.get(rate, 0.0))
        return bucket


def _limits(key: ApiKey) -> dict[Rate, int]:
    limits = {(key.name, TOKENS): key.tokens_per_minute, (key.name, REQUESTS): key.requests_per_minute}
    return {rate: limit for rate, limit in limits.items() if limit is not None}


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
