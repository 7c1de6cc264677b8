"""Checks that turn a candidate into personal data or into nothing: checksums, issuers, ranges, reserved names.

Everything here answers one question about one short string; the scan that finds candidates is in `scan`. Reserved
names are no personal data: domains of RFC 2606 and RFC 6761, and addresses that are not globally routable.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from hashlib import sha256

import phonenumbers
from stdnum import iban, luhn
from stdnum.exceptions import ValidationError


def _words(text: str) -> list[str]:
    return text.split()


_RESERVED_DOMAIN = re.compile(r"(?:^|\.)(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost|local)$", re.I)
_PERSON_LOCAL = re.compile(r"^[a-z]{2,}[._][a-z]{3,}\d{0,4}$", re.I)
_ROLE_WORDS = frozenset(
    _words(
        "user users name your my first last firstname lastname username test foo bar baz some any example sample "
        "mail email info admin support contact no reply noreply do not help sales team service api local part "
        "postmaster"
    )
)
_GENERIC_TLDS = frozenset(
    _words(
        "com org net edu gov mil int info biz name pro aero coop museum mobi asia jobs travel cat tel post app "
        "dev page blog cloud tech online site website store shop xyz top club live news email agency digital "
        "media studio design work works world life today network systems solutions company group team academy "
        "school university college health care clinic legal law finance bank money fund consulting engineering "
        "software science bio art music photography social space global international center host press wiki zone "
        "link click guru expert link one icu vip fun ink ltd llc gmbh inc africa berlin london nyc paris tokyo "
        "wien"
    )
)
_NOT_COUNTRY = frozenset(("py", "js", "ts", "rb"))
_CARD_LENGTHS = (
    (re.compile(r"4"), (13, 16, 19)),
    (re.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"3(?:0[0-5]|[689])"), (14, 16)),
    (re.compile(r"2131|1800"), (15,)),
    (re.compile(r"35"), (16,)),
    (re.compile(r"6(?:011|4[4-9]|5)"), (16, 19)),
    (re.compile(r"62"), (16, 17, 18, 19)),
    (re.compile(r"5[06-8]|6"), (12, 13, 14, 15, 16, 17, 18, 19)),
)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_NATIONAL_REGIONS = ("GB", "DE", "FR", "IT", "ES", "NL", "AU", "IN")


def digits_of(text: str) -> str:
    """The ASCII digits of `text`, in order."""
    return "".join(char for char in text if "0" <= char <= "9")


def is_email(local: str, domain: str) -> bool:
    """Whether `local@domain` can be somebody's address.

    Reserved example domains cannot receive mail, so `user@example.com` is none; a local part that spells a person
    (`jane.doe@example.com`) still counts, because the name is personal data whatever the domain.
    """
    top = domain.rsplit(".", 1)[-1].lower()
    if _RESERVED_DOMAIN.search(domain):
        words = re.split(r"[._]", local.lower())
        return bool(_PERSON_LOCAL.match(local)) and not any(word.strip("0123456789") in _ROLE_WORDS for word in words)
    if local.lower() in ("git", "hg", "svn") or top in _NOT_COUNTRY:
        return False
    return len(top) == 2 or top in _GENERIC_TLDS or top.startswith("xn--") or not top.isascii()


def is_public_ip(text: str) -> bool:
    """Whether `text` is a globally routable unicast address (private, loopback, documentation ranges are not)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if sum(map(bool, text.split(":"))) < 3:
            return False
        return address.is_global and address in ipaddress.ip_network("2000::/3")
    return address.is_global and not address.is_multicast and not text.startswith("0")


def is_version(text: str) -> bool:
    """Whether four numbers with dots are all so small that they read as a version rather than an address."""
    return all(int(part) <= 20 for part in text.split("."))


def is_card(text: str, context: bool) -> bool:
    """Luhn (ISO/IEC 7812) and a known issuer's prefix and length; rare lengths need a word like "card" near."""
    number = digits_of(text)
    if not luhn.is_valid(number) or len(set(number)) < 2:
        return False
    for prefix, lengths in _CARD_LENGTHS:
        if prefix.match(number):
            return len(number) in lengths and (context or 14 <= len(number) <= 16)
    return False


def iban_end(text: str, start: int) -> int | None:
    """Where the IBAN that begins at `start` ends (ISO 13616, mod 97), or None when there is none."""
    compact, ends = "", []
    for index in range(start, min(len(text), start + 44)):
        char = text[index]
        if char.isascii() and char.isalnum():
            compact += char.upper()
            ends.append(index + 1)
        elif char not in " \u00a0-":
            break
    for length in range(min(34, len(compact)), 14, -1):
        end = ends[length - 1]
        if end < len(text) and text[end].isascii() and text[end].isalnum():
            continue
        try:
            iban.validate(compact[:length], check_country=False)
        except ValidationError:
            continue
        return end
    return None


def is_crypto_address(text: str) -> bool:
    """Base58Check (Bitcoin, Litecoin, Dogecoin, Tron), Bech32/Bech32m (BIP 173, 350), or `0x` and 40 hex digits."""
    if text.startswith("0x"):
        return bool(re.fullmatch(r"0x[0-9a-fA-F]{40}", text)) and len(set(text[2:].lower())) > 6
    if text[:3].lower() in ("bc1", "ltc"):
        return _bech32_ok(text)
    return _base58_ok(text)


def _base58_ok(text: str) -> bool:
    number = 0
    for char in text:
        digit = _BASE58.find(char)
        if digit < 0:
            return False
        number = number * 58 + digit
    if number.bit_length() > 200:
        return False
    raw = number.to_bytes(25, "big")
    return sha256(sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def _bech32_ok(text: str) -> bool:
    if text != text.lower() and text != text.upper():
        return False
    prefix, _, data = text.lower().rpartition("1")
    if not prefix or len(data) < 6 or any(char not in _BECH32 for char in data):
        return False
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [_BECH32.index(c) for c in data]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if (top >> bit) & 1 else 0
    return check in (1, 0x2BC830A3)


def is_international_phone(text: str) -> bool:
    """Whether a number written with `+` has a known country code and a length that country uses (E.164)."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_possible_number(number))


def is_national_phone(text: str) -> bool:
    """Whether a number with a leading 0 is valid in one of the regions that write numbers so."""
    for region in _NATIONAL_REGIONS:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            return False
        if phonenumbers.is_valid_number_for_region(number, region):
            return True
    return False


def entropy_bits(text: str) -> float:
    """Shannon entropy of the characters of `text`, in bits per character."""
    total = len(text)
    return -sum(count / total * math.log2(count / total) for count in Counter(text).values()) if total else 0.0


def is_secret_value(text: str) -> bool:
    """Whether a value assigned to a name like `api_key` looks drawn at random (letters, digits, entropy >= 3.2)."""
    has_digit = any(char.isdigit() for char in text)
    has_letter = any(char.isalpha() for char in text)
    return has_digit and has_letter and entropy_bits(text) >= 3.2
