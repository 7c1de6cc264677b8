"""Find and mask personal data in one text.

Each kind first asks a question that costs next to nothing (is there an `@`, a cluster of digits, two colons, a word),
so ordinary prose is passed over at tens of megabytes a second; only then patterns propose and `checks` decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from corpusmith.core.errors import ParameterError
from corpusmith.ops.pii import addresses, checks, kinds, national, secrets
from corpusmith.ops.pii import hints as hint
from corpusmith.ops.pii.hints import ANYTHING, Hints, guess
from corpusmith.ops.pii.kinds import KINDS, PLACEHOLDER

_REACH = 48
_LOOK_AHEAD = 16
_SSN_DIGITS, _CPF_DIGITS = 9, 11
_DUMMY_USERS = ("user", "username", "name", "login")
_DUMMY_PASSWORDS = ("pass", "password", "passwd", "pw", "pwd", "secret")
_RANK = {name: place for place, name in enumerate(KINDS)}
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, order=True)
class Span:
    """One place: characters `start` to `end` of the text hold personal data of `kind`."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class _Cluster:
    """A group of digits: characters `start` to `end`, and how many digits they and the two before them hold."""

    start: int
    end: int
    digits: int


@dataclass(frozen=True)
class _Scan:
    """A text with what several kinds share, computed once."""

    text: str
    bits: int
    clusters: tuple[_Cluster, ...]
    ibans: tuple[int, ...]
    fiscals: tuple[int, ...]
    codes: tuple[int, ...]
    houses: tuple[int, ...]
    wallets: tuple[int, ...]

    @classmethod
    def of(cls, text: str, seen: Hints) -> _Scan:
        clusters: list[_Cluster] = []
        found: dict[str | None, list[int]] = {
            "iban": [],
            "fiscal": [],
            "zip": [],
            "postcode": [],
            "house": [],
            "wallet": [],
        }
        for match in _numbers(text, seen):
            if match.lastgroup == "cluster":
                start, end = match.span()
                clusters.append(_Cluster(start, end, sum(map(str.isdigit, text[max(0, start - 2) : end]))))
                if text[end : end + 1] == " ":
                    found["house"].append(_last_number(text, start, end))
            else:
                found[match.lastgroup].append(match.start())
        return cls(
            text,
            seen.bits,
            tuple(clusters),
            ibans=tuple(place - 2 for place in found["iban"]),
            fiscals=tuple(place - 6 for place in found["fiscal"]),
            codes=(*found["zip"], *found["postcode"]),
            houses=tuple(found["house"]),
            wallets=tuple(found["wallet"]),
        )

    @cached_property
    def lower(self) -> str:
        """The text in lower case and of the same length (a few letters grow when lowered; then only ASCII is)."""
        lower = self.text.lower()
        return lower if len(lower) == len(self.text) else self.text.translate(_ASCII_LOWER)

    def before(self, start: int, reach: int = _REACH) -> str:
        return self.text[max(0, start - reach) : start]

    def in_clusters(self, pattern: re.Pattern[str], digits: int, dots: int = 0) -> Iterator[re.Match[str]]:
        """Matches of `pattern` that begin at a cluster or two characters before; all have so many `digits` and `dots`.

        The patterns have no character between their digits that a cluster does not have.
        """
        done = 0
        for cluster in self.clusters:
            if cluster.digits < digits:
                continue
            start, end = max(done, cluster.start - 2), min(len(self.text), cluster.end + _LOOK_AHEAD)
            if dots and self.text.count(".", start, cluster.end) < dots:
                continue
            for match in pattern.finditer(self.text, start, end):
                if match.start() >= cluster.end:
                    break
                done = match.end()
                yield match


def _numbers(text: str, seen: Hints) -> Iterator[re.Match[str]]:
    """Matches of `DIGITS` in order."""
    if seen.numbers is None:
        yield from kinds.DIGITS.finditer(text)
        return
    done = 0
    for place in seen.numbers:
        if place >= done and (match := kinds.DIGITS.match(text, place)):
            done = match.end()
            yield match


def check_kinds(names: Sequence[str]) -> tuple[str, ...]:
    """The kinds named (any case; none = all), in order of precedence.

    Raises:
        ParameterError: A name is no known kind.
    """
    return _check_kinds(tuple(names))


@lru_cache(maxsize=64)
def _check_kinds(names: tuple[str, ...]) -> tuple[str, ...]:
    wanted = {name.upper() for name in names}
    unknown = sorted(wanted - set(KINDS))
    if unknown:
        raise ParameterError(
            f"unknown kind of personal data: {', '.join(unknown)}", hint=f"Known kinds: {', '.join(KINDS)}."
        )
    return tuple(name for name in KINDS if not wanted or name in wanted)


def find(text: str, names: Sequence[str] = (), hints: Hints = ANYTHING) -> list[Span]:
    """Personal data in `text`, as spans in order that do not overlap.

    All kinds compete for a place whatever was asked for, so asking for one kind never makes it claim the place of
    another; then only the kinds asked for are returned.

    Args:
        text: Any text.
        names: Kinds wanted; none = all.
        hints: What `hints.look` said of the text; it saves time and changes nothing.

    Raises:
        ParameterError: A name is no known kind.
    """
    wanted = check_kinds(names)
    if len(text) < 7:
        return []
    if not hints.bits and hints.numbers == []:
        return []
    scan = _Scan.of(text, hints)
    proposals = [(start, end, name) for name, finder in _FINDERS.items() for start, end in finder(scan)]
    return [span for span in _settle(text, proposals) if span.kind in wanted] if proposals else []


def _last_number(text: str, start: int, end: int) -> int:
    """Where the last run of digits of a cluster begins."""
    while end > start and text[end - 1].isdigit():
        end -= 1
    return end


def _settle(text: str, proposals: list[tuple[int, int, str]]) -> list[Span]:
    """Of overlapping proposals keep the kind of highest precedence, then the longest; never touch a placeholder."""
    taken = [match.span() for match in PLACEHOLDER.finditer(text)] if "[" in text else []
    kept: list[Span] = []
    for start, end, name in sorted(set(proposals), key=lambda p: (_RANK[p[2]], p[0] - p[1], p[0])):
        if all(end <= left or start >= right for left, right in taken):
            taken.append((start, end))
            kept.append(Span(start, end, name))
    return sorted(kept)


def mask(text: str, names: Sequence[str] = (), look: Callable[[str], Hints] = guess) -> tuple[str, dict[str, int]]:
    """`text` with typed placeholders in place of personal data, and how many of each kind were replaced.

    Masking what was masked changes nothing: it goes on until nothing is found. `look` is asked what a text may hold.

    Raises:
        ParameterError: A name is no known kind.
    """
    counts: dict[str, int] = {}
    spans = find(text, names, look(text))
    while spans:
        pieces, last = [], 0
        for span in spans:
            pieces += [text[last : span.start], KINDS[span.kind].placeholder]
            last = span.end
            counts[span.kind] = counts.get(span.kind, 0) + 1
        text = "".join(pieces) + text[last:]
        spans = find(text, names, look(text))
    return text, counts


def _emails(scan: _Scan) -> Iterator[tuple[int, int]]:
    text = scan.text
    at = text.find("@") if scan.bits & hint.MAIL else -1
    while at >= 0:
        local = kinds.EMAIL_LOCAL.search(text, max(0, at - 64), at)
        domain = kinds.EMAIL_DOMAIN.match(text, at + 1)
        if local and domain:
            name = local.group().lstrip(".'`*/=?&!#|~{}^$%-+")
            name = name.rsplit("=", 1)[-1].rsplit("/", 1)[-1]
            if name and not name.endswith(".") and checks.is_email(name, domain.group()):
                yield at - len(name), domain.end()
        at = text.find("@", at + 1)
    if scan.bits & hint.SPELLED and any(sign in scan.lower for sign in ("at]", "at)", "at}")):
        yield from _spelled_emails(text)


def _spelled_emails(text: str) -> Iterator[tuple[int, int]]:
    done = 0
    for sign in kinds.EMAIL_AT.finditer(text):
        start = sign.start() - (sign.start() > done and text[sign.start() - 1].isspace())
        done = sign.end()
        local = kinds.EMAIL_SPELLED_LOCAL.search(text, max(0, start - 64), start)
        domain = kinds.EMAIL_SPELLED_DOMAIN.match(text, sign.end())
        if local and domain:
            host = re.sub(r"\s?[\[({]\s?dot\s?[\])}]\s?", ".", domain.group(), flags=re.I)
            if kinds.EMAIL_DOMAIN.fullmatch(host) and checks.is_email(local.group(), host):
                yield local.start(), domain.end()


def _userinfo(scan: _Scan) -> Iterator[tuple[int, int]]:
    text = scan.text
    place = text.find("://") if scan.bits & hint.URL and scan.bits & hint.MAIL else -1
    while place >= 0:
        match = kinds.USERINFO.match(text, place + 3)
        if match and not (match.group(1).lower() in _DUMMY_USERS or match.group(2).lower() in _DUMMY_PASSWORDS):
            yield match.span()
        place = text.find("://", place + 3)


def _ibans(scan: _Scan) -> Iterator[tuple[int, int]]:
    for start in scan.ibans:
        end = checks.iban_end(scan.text, start)
        if end is not None:
            yield start, end


def _cards(scan: _Scan) -> Iterator[tuple[int, int]]:
    for match in scan.in_clusters(kinds.CARD, 12):
        context = scan.text[max(0, match.start() - _REACH) : match.end() + 20]
        if checks.is_card(match.group(), bool(kinds.CARD_CONTEXT.search(context))):
            yield match.span()


def _ssns(scan: _Scan) -> Iterator[tuple[int, int]]:
    if not any(next(scan.in_clusters(form, _SSN_DIGITS), None) for form in (kinds.SSN, kinds.SSN_LOOSE)):
        return
    named = "ssn" in scan.lower or "soc" in scan.lower
    for match in scan.in_clusters(kinds.SSN_LOOSE if named else kinds.SSN, _SSN_DIGITS):
        area, group, serial = match.groups()
        issued = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
        dashed = match.group().count("-") == 2
        if issued and (dashed or kinds.SSN_CONTEXT.search(scan.before(match.start()))):
            yield match.span()
    if named:
        for match in scan.in_clusters(kinds.SSN, _SSN_DIGITS):
            if match.group(1) not in ("000", "666") and match.group(1) < "900":
                yield match.span()


def _crypto(scan: _Scan) -> Iterator[tuple[int, int]]:
    text = scan.text
    done = 0
    for place in scan.wallets:
        if place < done:
            continue
        match = kinds.BASE58.search(text, max(0, place - 23), min(len(text), place + 36))
        if match:
            done = match.end()
            if checks.is_crypto_address(match.group()):
                yield match.span()
    patterns = [kinds.HEX_WALLET] if scan.bits & hint.HEX_WALLET and "0x" in text else []
    if scan.bits & hint.BECH and ("bc1" in scan.lower or "ltc1" in scan.lower):
        patterns.append(kinds.BECH32)
    for pattern in patterns:
        for match in pattern.finditer(text):
            if checks.is_crypto_address(match.group()):
                yield match.span()


def _macs(scan: _Scan) -> Iterator[tuple[int, int]]:
    if not scan.bits & hint.HARDWARE:
        return
    for start, end in _windows(scan.text, kinds.MAC_ANCHOR, 6, 16):
        for match in kinds.MAC.finditer(scan.text, start, end):
            if len(set(re.sub(r"[:-]", "", match.group().lower()))) > 2:
                yield match.span()


def _ips(scan: _Scan) -> Iterator[tuple[int, int]]:
    for match in scan.in_clusters(kinds.IPV4, digits=4, dots=3):
        before = scan.before(match.start())
        if not checks.is_public_ip(match.group()) or kinds.NOT_AN_IP.search(before[-24:]):
            continue
        if not before.rpartition("\n")[2].strip() and kinds.HEADING_NUMBER.match(scan.text, match.start()):
            continue
        if not checks.is_version(match.group()) or kinds.IP_CONTEXT.search(before):
            yield match.span()
    if scan.bits & hint.ADDRESS_6 and scan.text.count(":") >= 2:
        for start, end in _windows(scan.text, kinds.IPV6_ANCHOR, 44, 44):
            for match in kinds.IPV6.finditer(scan.text, start, end):
                if checks.is_public_ip(match.group()):
                    yield match.span()


def _windows(text: str, anchor: re.Pattern[str], left: int, right: int) -> Iterator[tuple[int, int]]:
    """Stretches around matches of `anchor`, merged where they touch."""
    start = end = -1
    for match in anchor.finditer(text):
        if match.start() - left > end:
            if end >= 0:
                yield start, end
            start = max(0, match.start() - left)
        end = min(len(text), match.end() + right)
    if end >= 0:
        yield start, end


def _births(scan: _Scan) -> Iterator[tuple[int, int]]:
    if not scan.bits & hint.BIRTH:
        return
    if "born" in scan.lower or "birth" in scan.lower or "dob" in scan.lower or "o.b" in scan.lower:
        for word in kinds.BIRTH_CONTEXT.finditer(scan.text):
            match = kinds.BIRTH_DATE.search(scan.text, word.end(), min(len(scan.text), word.end() + 56))
            if match and not re.search(r"[.!?]\s+[A-Z]|\n\s*\n", scan.text[word.end() : match.start()]):
                yield match.span()


def _passports(scan: _Scan) -> Iterator[tuple[int, int]]:
    if scan.bits & hint.PASSPORT and "passport" in scan.lower:
        for word in kinds.PASSPORT_WORD.finditer(scan.text):
            match = kinds.PASSPORT.search(scan.text, word.end(), min(len(scan.text), word.end() + 44))
            if match:
                yield match.span()


def _nationals(scan: _Scan) -> Iterator[tuple[int, int]]:
    for cluster in scan.clusters:
        if cluster.digits >= _CPF_DIGITS:
            yield from national.find_cpf(scan.text, cluster.start, cluster.end)
    if scan.bits & hint.NAMED:
        yield from national.find_named_ids(scan.text, ((cluster.start, cluster.end) for cluster in scan.clusters))
    for start in scan.fiscals:
        code = national.fiscal_code(scan.text, start)
        if code:
            yield code


def _phones(scan: _Scan) -> Iterator[tuple[int, int]]:
    text = scan.text
    for match in scan.in_clusters(kinds.PHONE_PLUS, 8):
        if checks.is_international_phone(match.group()):
            yield match.span()
    for match in scan.in_clusters(kinds.PHONE_NANP, 10):
        if not kinds.NOT_A_PHONE.search(scan.before(match.start(), 24)):
            yield match.span()
    for match in scan.in_clusters(kinds.PHONE_ZERO, 9):
        if 9 <= len(checks.digits_of(match.group())) <= 12 and checks.is_national_phone(match.group()):
            yield match.span()
    for match in scan.in_clusters(kinds.PHONE_ANY, 7):
        number, before = match.group(), scan.before(match.start())
        if kinds.DATE_LIKE.match(number) or kinds.PLAIN_NUMBER.match(number) or kinds.IPV4.match(text, match.start()):
            continue
        if number.isdigit() and len(number) < 10:
            before = before.rsplit("\n", 1)[-1][-24:]
        named = kinds.PHONE_BEFORE.search(before) or kinds.PHONE_AFTER.match(text, match.end())
        if named and not kinds.NOT_A_PHONE.search(before[-24:]):
            yield match.span()


def _addresses(scan: _Scan) -> Iterator[tuple[int, int]]:
    yield from addresses.find_streets(scan.text, scan.houses)
    yield from addresses.find_coded(scan.text, scan.codes)
    if scan.bits & hint.BOX:
        yield from addresses.find_boxes(scan.text)


def _secrets(scan: _Scan) -> Iterator[tuple[int, int]]:
    if scan.bits & hint.MARK:
        yield from secrets.find_known(scan.text)
    if scan.bits & hint.SECRET:
        yield from secrets.find_assigned(scan.text, scan.lower)


_FINDERS: dict[str, Callable[[_Scan], Iterator[tuple[int, int]]]] = {
    "SECRET_KEY": _secrets,
    "URL_WITH_CREDENTIALS": _userinfo,
    "EMAIL": _emails,
    "IBAN": _ibans,
    "CREDIT_CARD": _cards,
    "US_SSN": _ssns,
    "CRYPTO_ADDRESS": _crypto,
    "MAC_ADDRESS": _macs,
    "IP_ADDRESS": _ips,
    "DATE_OF_BIRTH": _births,
    "PASSPORT": _passports,
    "NATIONAL_ID": _nationals,
    "PHONE": _phones,
    "STREET_ADDRESS": _addresses,
}
