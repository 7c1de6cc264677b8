"""The kinds of personal data that are looked for, and the patterns that propose them.

Names of persons, organisations and places, ages and free dates are not in the table: no pattern finds them reliably.
Most kinds are claimed: at least 0.97 of their values are masked where this was measured. A kind that is found only in
part (`KindInfo.in_part`) is masked all the same, since masking some is better than none, but nothing is promised of it,
and the brief says so.

Patterns only propose: `checks` decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class KindInfo:
    """One kind of personal data.

    Attributes:
        name: Upper-case name; the placeholder is `[NAME]`, the count column `pii:name` in lower case.
        description: What is found, and what is left alone.
        checksum: Name of the checksum a match must pass; empty when the kind has none.
        example: A made-up text that is found.
        in_part: What of the kind is found and what share was measured; empty when the kind is claimed.
    """

    name: str
    description: str
    checksum: str
    example: str
    in_part: str = ""

    @property
    def placeholder(self) -> str:
        """What stands in the text instead, for example `[EMAIL]`."""
        return f"[{self.name}]"

    @property
    def column(self) -> str:
        """Name of the count column, for example `pii:email`."""
        return f"pii:{self.name.lower()}"


_ALL = (
    KindInfo(
        "SECRET_KEY",
        "access keys and tokens of known services, JSON web tokens, private key blocks, and random-looking values "
        "assigned to names like api_key, token or password",
        "",
        "AKIAQ3EGU5PZ7WXKD2NB",
    ),
    KindInfo(
        "URL_WITH_CREDENTIALS",
        "user name and password inside a URL; user:password on a reserved host is left alone",
        "",
        "https://mlopez:tR4uq9wz@db.acme-corp.io/",
    ),
    KindInfo(
        "EMAIL",
        "e-mail addresses, also written [at] and [dot]; reserved domains (example.com, .test) are left alone unless "
        "the local part spells a person's name",
        "",
        "m.okafor@fastmail.com",
    ),
    KindInfo("IBAN", "bank account numbers", "ISO 7064 mod 97-10", "GB33BUKB20201555555555"),
    KindInfo("CREDIT_CARD", "payment card numbers of known issuers, 12 to 19 digits", "Luhn", "4556 7375 8689 9855"),
    KindInfo("US_SSN", "US social security numbers; never-issued ranges are left alone", "", "536-22-8741"),
    KindInfo(
        "CRYPTO_ADDRESS",
        "Bitcoin-like and Ethereum-like wallet addresses",
        "Base58Check, Bech32",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    ),
    KindInfo(
        "MAC_ADDRESS", "48-bit hardware addresses; broadcast and all-zero are left alone", "", "3c:52:82:4e:9a:d1"
    ),
    KindInfo(
        "IP_ADDRESS",
        "globally routable IPv4 and IPv6 addresses; private, loopback, link-local and documentation ranges and version "
        "numbers are left alone",
        "",
        "81.174.152.33",
    ),
    KindInfo("DATE_OF_BIRTH", "a full date after a word like born, birthday or DOB", "", "born on 14 March 1987"),
    KindInfo("PASSPORT", "passport numbers after the word passport", "", "passport number 533401992"),
    KindInfo(
        "NATIONAL_ID",
        "identity, tax and health insurance numbers of GB, IT, ES, FR, DE, NL, PL, BR, IN, CA, SE, FI, US (ITIN); "
        "most need a naming word before them",
        "each country's own",
        "NINO: QQ 12 34 56 C",
    ),
    KindInfo(
        "PHONE",
        "telephone numbers: with a country code, in North American form, in valid national form with a leading 0, or "
        "any after a word like phone or call",
        "",
        "+44 20 7183 8750",
    ),
    KindInfo(
        "STREET_ADDRESS",
        "US- and UK-style postal addresses with house number and street type, with what follows up to the postal "
        "code; PO boxes",
        "",
        "1482 Maple Grove Avenue, Dayton, OH 45402",
        in_part="street addresses are found in US and UK forms only: 0.149 of a set that mixes all countries' forms",
    ),
)

KINDS: Mapping[str, KindInfo] = {info.name: info for info in _ALL}
"""Every kind, in order of precedence: where two overlap, the earlier one wins."""

CLAIMED: frozenset[str] = frozenset(info.name for info in _ALL if not info.in_part)
"""The kinds of which at least 0.97 of the values are masked, where this was measured."""

PLACEHOLDER = re.compile(r"\[(?:" + "|".join(KINDS) + r")\]")

DIGITS = re.compile(
    r"\d(?:(?<=[A-Za-z]{2}\d)(?=\d[ \u00a0-]?[A-Za-z0-9]{4}[ \u00a0-]?[A-Za-z0-9]{4})(?<![A-Za-z0-9]...)(?P<iban>)"
    r"|(?<=[A-Z]{6}\d)(?=\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z])(?P<fiscal>)"
    r"|(?<=[A-Z]{2} \d)(?=\d{4}(?!\d))(?P<zip>)"
    r"|(?<=[A-Z\d ]\d)(?=[A-Z]{2}(?!\w))(?P<postcode>)"
    r"|(?<![\w.,/$€£#-].)(?=\d{0,4}[A-Za-z]?(?:[-/]\d{1,5})?,? (?:[A-Z]|\d{1,3}(?:st|nd|rd|th)\b))(?P<house>)"
    r"|(?P<cluster>[\d .()\-/\u00a0]{4,}\d)"
    r"|(?=[1-9A-HJ-NP-Za-km-z]{12})(?P<wallet>))"
)
"""One pass over every digit: clusters of six or more characters, where alone numeric kinds are looked for, and places
where an IBAN or an Italian fiscal code may begin (two and six characters earlier), or where a US or UK postal code, a
house number or a digit of a wallet address stands."""

EMAIL_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}$")
EMAIL_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{1,23}")
EMAIL_AT = re.compile(r"[\[({]\s?at\s?[\])}]\s?", re.I)
EMAIL_SPELLED_LOCAL = re.compile(r"[\w.+-]{1,64}$")
EMAIL_SPELLED_DOMAIN = re.compile(r"[\w-]+(?:(?:\s?[\[({]\s?dot\s?[\])}]\s?|\.)[\w-]+)+", re.I)
USERINFO = re.compile(r"([^\s/@:\"'<>\[\]]{1,64}):([^\s/@\"'<>\[\]]{1,128})(?=@([\w.-]+))")
IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
NOT_AN_IP = re.compile(
    r"(?:version|release|ver|build|firmware|driver|section|chapter|clause|rule|revision|rev|update|§|[=<>~^!]=)"
    r"[\s:.]*v?$",
    re.I,
)
HEADING_NUMBER = re.compile(r"\d?\d(?:\.\d?\d){3}\.\s+[^\W\d_]")
"""What follows the start of a line when it is a numbered heading: `34.5.1.1. Issuing Queries`."""
IP_CONTEXT = re.compile(
    r"(?<![A-Za-z])(?:ip|ips|ipv4|addr|address(?:es)?|hosts?|servers?|clients?|peer|dns|ping|login|gateway|router|remote|visitors?|"
    r"traffic|connect\w*|request\w*|block\w*)(?![A-Za-z])",
    re.I,
)
IPV6_ANCHOR = re.compile(r":[0-9A-Fa-f]{0,4}:")
IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){1,7}(?::|[0-9A-Fa-f]{1,4})(?::?[0-9A-Fa-f]{1,4}){0,7}(?![\w:]|\.\d)"
)
MAC_ANCHOR = re.compile(r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]")
MAC = re.compile(
    r"(?<![0-9A-Za-z:-])[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"
)
CARD = re.compile(r"(?<![\w.+-])\d(?:[ \u00a0-]?\d){11,18}(?![\w]|[.-]\d)")
CARD_CONTEXT = re.compile(
    r"\b(?:card|visa|mastercard|amex|cc|credit|debit|pan|payment|pay|paid|charged?|billing|refund)\b", re.I
)
SSN = re.compile(r"(?<![\w.-])(\d{3})-(\d{2})-(\d{4})(?![\w-]|\.\d)")
SSN_LOOSE = re.compile(r"(?<![\w.-])(\d{3})[ .\u00a0]?(\d{2})[ .\u00a0]?(\d{4})(?![\w-]|\.\d)")
SSN_CONTEXT = re.compile(r"\b(?:ssn|social security|soc\.? sec)\b", re.I)
BASE58 = re.compile(r"(?<![A-Za-z0-9])[13LDTMA][a-km-zA-HJ-NP-Z1-9]{25,34}(?![A-Za-z0-9])")
HEX_WALLET = re.compile(r"0x(?<![A-Za-z0-9]..)[0-9a-fA-F]{40}(?![A-Za-z0-9])")
BECH32 = re.compile(r"(?<![A-Za-z0-9])(?:bc1|ltc1|BC1|LTC1)[A-Za-z0-9]{20,80}(?![A-Za-z0-9])")
PHONE_PLUS = re.compile(r"(?<![\w+])\+(?:\d[ .()\-/\u00a0]{0,3}){7,14}\d(?![\w])")
PHONE_NANP = re.compile(
    r"(?<![\w.+-])(?:\+?1[ .-]?)?(?:\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}-\d{3}-\d{4}|\d{3}\.\d{3}\.\d{4})"
    r"(?:\s?(?:x|ext\.?|extension)\s?\d{1,6})?(?![\w-]|\.\d)",
    re.I,
)
PHONE_ZERO = re.compile(r"(?<![\w.+/-])(?:\(0\d{1,5}\)|0\d{1,5})(?:[ \u00a0/-]\d{2,8}){1,4}(?![\w-]|[.,]\d)")
PHONE_ANY = re.compile(
    r"(?<![\w./])[(+]?\d(?:[ .()\-/\u00a0]{0,3}\d){6,14}(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\w]|[.,-]\d)", re.I
)
PHONE_BEFORE = re.compile(
    r"\b(?:(?:tele)?phones?|tel|mobile|cell(?:ular)?|fax|whatsapp|sms|telefon|t[ée]l[ée]fono|t[ée]l[ée]phone|handy|"
    r"call(?:s|ed|ing)?|text(?:ed)?|dial(?:ed|ling|ing)?|ring|rang|answer(?:s|ed|ing)?|reach(?:ed)?|hotline|landline|voicemail|"
    r"contact number|phone number|desk|office|messages? (?:to|on)|registered)\b",
    re.I,
)
PHONE_AFTER = re.compile(r"\W{0,3}(?:office|fax|mobile|cell|home|work|desk|tel)\b", re.I)
NOT_A_PHONE = re.compile(
    r"\b(?:isbn|issn|doi|pmid|oclc|asin|order|invoice|account|acct|isrc|ticket|tracking|serial|version|timestamp|port|"
    r"bug|issue|pep|rfc|iso|call(?:s|ed)? (?:it )?(?:with|by|for)|error|code|id|rows?|bytes)\b"
    r"[\s:#.]*\w{0,12}[\s:#.]*$",
    re.I,
)
DATE_LIKE = re.compile(
    r"(?:1[89]|20)\d\d[-/. ](?:0?[1-9]|1[0-2])[-/. ][0-3]?\d|[0-3]?\d[-/. ][01]?\d[-/. ](?:1[89]|20)\d\d"
)
PLAIN_NUMBER = re.compile(r"\d+\.\d+$|(?:1[5-9]|20)\d\d\s?[-/]\s?(?:1[5-9]|20)\d\d$")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)"
)
BIRTH_CONTEXT = re.compile(r"\b(?:born|d\.?o\.?b|birth(?:day|date|s)?)\b", re.I)
BIRTH_DATE = re.compile(
    rf"(?<![\w-])(?:(?:19|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:[12]\d|3[01]|0?[1-9])|"
    rf"(?:[12]\d|3[01]|0?[1-9])[-/. ](?:[12]\d|3[01]|0?[1-9])[-/. ](?:(?:19|20)\d\d|\d\d)|"
    rf"{_MONTH}\.? (?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?,? (?:19|20)\d\d|"
    rf"(?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?: of)?[ -]{_MONTH}\.?,?[ -](?:19|20)\d\d)(?![\w-])",
    re.I,
)
PASSPORT_WORD = re.compile(r"passport", re.I)
PASSPORT = re.compile(r"(?<![\w-])(?=[A-Z0-9]{6,9}(?![\w-]))[A-Z]{0,2}\d[A-Z0-9]{0,2}\d{4,7}(?![\w-])")
