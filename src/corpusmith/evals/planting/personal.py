"""Made-up personal data of ten kinds: valid by checksum and numbering plan, belonging to nobody, made at run time.

No value stands in this file as a literal, so that no scanner mistakes the repository for a leak.
"""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import random
import string
from collections.abc import Callable

import phonenumbers

from corpusmith.evals.planting.truth import PiiValue
from corpusmith.evals.planting.wording import words_of

_FIRST = words_of(
    "anneliese benedikt chiara dorothea emeka fumiko gustavo henrike ismail jolanta kwame leocadia marisol"
)
_LAST = words_of("abernathy bergstrom castellano dvorak eriksen fairweather grunewald hollister iwanowski lindqvist")
_HOSTS = words_of("brightwillow coppergate dunmorefield eastharrow fernleigh gladestone hazelbrook ironmarsh")
_TAILS = ("labs.net", "mills.org", "press.com", "freight.eu", "clinic.de")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def email(rng: random.Random) -> str:
    """An address at a host that is no reserved example."""
    glue = rng.choice([".", "_", "-", ""])
    tail = rng.choice(["", str(rng.randint(2, 99)), "+lists"])
    return f"{rng.choice(_FIRST)}{glue}{rng.choice(_LAST)}{tail}@{_host(rng)}"


def _host(rng: random.Random) -> str:
    return f"{rng.choice(_HOSTS)}-{rng.choice(_TAILS)}"


_PHONE_SHAPES = (
    ("US", "+1 {a}-{b}-{c}", (415, 212, 312, 617, 206)),
    ("US", "({a}) {b}-{c}", (415, 212, 312, 617, 206)),
    ("US", "{a}-{b}-{c}", (503, 718, 404, 602)),
    ("US", "{a}.{b}.{c}", (503, 718, 404, 602)),
    ("GB", "+44 20 7{b} {c}", (0,)),
    ("GB", "020 7{b} {c}", (0,)),
    ("DE", "+49 30 {b}{c}", (0,)),
    ("FR", "+33 1 4{d} {d2} {e} {f}", (0,)),
    ("ES", "+34 91 {b} {e} {f}", (0,)),
    ("JP", "+81 3-{c2}-{c}", (0,)),
    ("AU", "+61 2 9{b} {c}", (0,)),
)


def phone(rng: random.Random) -> str:
    """A number that its country's numbering plan allows, written as people there or abroad write it."""
    while True:
        country, shape, areas = rng.choice(_PHONE_SHAPES)
        digits = {name: f"{rng.randrange(100):02d}" for name in ("d2", "e", "f")}
        number = shape.format(
            a=rng.choice(areas),
            b=rng.randrange(220, 999),
            c=f"{rng.randrange(10000):04d}",
            c2=rng.randrange(3200, 6999),
            d=rng.randrange(0, 9),
            **digits,
        )
        if phonenumbers.is_valid_number(phonenumbers.parse(number, country)):
            return number


def credit_card(rng: random.Random) -> str:
    """A card number that passes Luhn: Visa, Mastercard or American Express, grouped or not."""
    start, length = rng.choice([("4", 16), (str(rng.randint(51, 55)), 16), (rng.choice(["34", "37"]), 15)])
    body = start + "".join(rng.choice(string.digits) for _ in range(length - len(start) - 1))
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))]
    number = body + str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)
    cuts = (0, 4, 8, 12, 16) if length == 16 else (0, 4, 10, 15)
    glue = rng.choice([" ", "-", ""])
    return glue.join(number[a:b] for a, b in itertools.pairwise(cuts))


def iban(rng: random.Random) -> str:
    """An account number that passes mod 97, compact or in groups of four."""
    country, letters, length = rng.choice([("DE", 0, 18), ("GB", 4, 14), ("NL", 4, 10), ("AT", 0, 16), ("CH", 0, 17)])
    bank = "".join(rng.choice("ABCDFGHKLMNRSTUW") for _ in range(letters))
    body = bank + "".join(rng.choice(string.digits) for _ in range(length))
    value = int("".join(str(int(char, 36)) for char in f"{body}{country}00"))
    number = f"{country}{98 - value % 97:02d}{body}"
    return number if rng.random() < 0.5 else " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def ip_address(rng: random.Random) -> str:
    """A public address, version 4 or (one in four) 6."""
    while True:
        if rng.random() < 0.25:
            groups = [
                rng.choice(["2a01", "2606", "2a02", "2400"]),
                *(f"{rng.randrange(4096, 65536):x}" for _ in range(7)),
            ]
            address = ":".join(groups)
        else:
            address = ".".join(str(rng.randint(11, 223)) for _ in range(4))
        if ipaddress.ip_address(address).is_global:
            return address


def us_ssn(rng: random.Random) -> str:
    """A social security number in the ranges that are issued."""
    area = rng.choice([rng.randint(100, 665), rng.randint(667, 772)])
    return f"{area}-{rng.randint(11, 99)}-{rng.randint(1001, 9999)}"


def secret_key(rng: random.Random) -> str:
    """A key in the form of a known service's."""
    mixed = string.ascii_letters + string.digits
    prefix, alphabet, size = rng.choice(
        [
            ("AK" + "IA", string.ascii_uppercase + "234567", 16),
            ("gh" + "p_", mixed, 36),
            ("s" + "k-", mixed, 48),
            ("xo" + "xb-", string.digits, 12),
        ]
    )
    key = prefix + "".join(rng.choice(alphabet) for _ in range(size))
    return key if prefix[0] != "x" else key + "-" + "".join(rng.choice(mixed) for _ in range(24))


def crypto_address(rng: random.Random) -> str:
    """A Bitcoin address with a right base58 checksum."""
    payload = bytes([rng.choice([0, 5])]) + rng.randbytes(20)
    raw = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    value, text = int.from_bytes(raw), ""
    while value:
        value, digit = divmod(value, 58)
        text = _BASE58[digit] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def mac_address(rng: random.Random) -> str:
    """A hardware address of six bytes, for one station."""
    octets = [rng.randrange(0, 256) & 0xFE, *(rng.randrange(256) for _ in range(5))]
    return rng.choice([":", "-"]).join(f"{octet:02x}" for octet in octets)


def url_with_credentials(rng: random.Random) -> str:
    """An address that carries a user name and its key."""
    word = "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(10))
    scheme = rng.choice(["https", "ftp", "postgresql"])
    return f"{scheme}://{rng.choice(_LAST)}:{word}@files.{_host(rng)}/{rng.choice(_FIRST)}"


KINDS: dict[str, Callable[[random.Random], str]] = {
    "EMAIL": email,
    "PHONE": phone,
    "CREDIT_CARD": credit_card,
    "IBAN": iban,
    "IP_ADDRESS": ip_address,
    "US_SSN": us_ssn,
    "SECRET_KEY": secret_key,
    "CRYPTO_ADDRESS": crypto_address,
    "MAC_ADDRESS": mac_address,
    "URL_WITH_CREDENTIALS": url_with_credentials,
}

_SENTENCES: dict[str, tuple[str, ...]] = {
    "EMAIL": (
        "Questions about this part can go to {} at any time.",
        "The person who wrote this section can be reached at {}.",
        "Please write to {}, who keeps the list of known faults.",
    ),
    "PHONE": (
        "If the office is closed, call {} and leave a message.",
        "The help desk answers the telephone at {} until six in the evening.",
        "My mobile number is {}, in case anything breaks during the night.",
    ),
    "CREDIT_CARD": (
        "The order was charged to the credit card {} in the first week of May.",
        "For the renewal we used the card number {} again.",
        "Please refund the payment to my card, {}.",
    ),
    "IBAN": (
        "Send the remaining amount to the account {} before the end of the month.",
        "The bank account for donations is IBAN {}.",
        "Our treasurer gave {} as the account to be used.",
    ),
    "IP_ADDRESS": (
        "The requests all came from the address {} during that night.",
        "A second server was answering at {} until it was switched off.",
        "We blocked {} after the third failed attempt.",
    ),
    "US_SSN": (
        "The form lists the social security number {} for this employee.",
        "Her SSN is {}, as the payroll office confirmed.",
        "The applicant gave {} as a social security number.",
    ),
    "SECRET_KEY": (
        "The script still had the key {} written into its first line.",
        "For the test we used the access token {} of the old account.",
        "Set the key to {} before you start the job.",
    ),
    "CRYPTO_ADDRESS": (
        "Donations in bitcoin may be sent to {} by anyone.",
        "The payment went to the wallet {} two days later.",
        "He asked for the fee at the bitcoin address {}.",
    ),
    "MAC_ADDRESS": (
        "The network card with the hardware address {} was the one that failed.",
        "Only the machine {} was allowed to join the network.",
        "The printer shows the MAC address {} on its last page.",
    ),
    "URL_WITH_CREDENTIALS": (
        "A full copy of the logs lies at {} for a week.",
        "The old job still fetched its input from {} every hour.",
        "You can read the table under {} from inside the building.",
    ),
}


def insert(text: str, kinds: list[str], rng: random.Random) -> tuple[str, tuple[PiiValue, ...]]:
    """Add one natural sentence per kind of `kinds` at the end of a paragraph of `text` each.

    Returns:
        The text, and the values that now stand in it.
    """
    paragraphs = text.split("\n\n")
    values = []
    for kind in kinds:
        value = KINDS[kind](rng)
        place = rng.randrange(len(paragraphs))
        paragraphs[place] += " " + rng.choice(_SENTENCES[kind]).format(value)
        values.append(PiiValue(kind=kind, value=value))
    return "\n\n".join(paragraphs), tuple(values)
