from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.core.errors import ParameterError
from corpusmith.ops.pii import KINDS, find, mask

AWS = "AK" + "IAQ3EGU5PZ7WXKD2NB"
TOKEN = "gh" + "p_" + "a1B2c3D4e5" * 4


def kinds_in(text: str) -> list[str]:
    return [span.kind for span in find(text)]


@pytest.mark.parametrize("info", KINDS.values(), ids=lambda info: info.name)
def test_every_kind_finds_its_example_and_its_placeholder_is_none(info: object) -> None:
    name, example = info.name, info.example  # type: ignore[attr-defined]
    text = f"Before it, {example} after it."
    assert name in kinds_in(text)
    masked, counts = mask(text)
    assert f"[{name}]" in masked
    assert counts[name] == 1
    assert find(masked) == []


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to anne.lund+x@mail.fastpost.de, please", "EMAIL", "anne.lund+x@mail.fastpost.de"),
        ("jane [at] brightmail [dot] com", "EMAIL", "jane [at] brightmail [dot] com"),
        ("jane.doe@example.com", "EMAIL", "jane.doe@example.com"),
        ("call (415) 555-0132 x12 now", "PHONE", "(415) 555-0132 x12"),
        ("+46 (0)8 928 571 38", "PHONE", "+46 (0)8 928 571 38"),
        ("020 7183 8750 is London", "PHONE", "020 7183 8750"),
        ("Phone:\n60-56-85-91", "PHONE", "60-56-85-91"),
        ("416 60 039 office", "PHONE", "416 60 039"),
        ("pay with 4111 1111 1111 1111!", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("card 630427373398", "CREDIT_CARD", "630427373398"),
        ("IBAN DE89 3704 0044 0532 0130 00 here", "IBAN", "DE89 3704 0044 0532 0130 00"),
        ("gb42nawi04454264788619", "IBAN", "gb42nawi04454264788619"),
        ("record 460-89-9847 was", "US_SSN", "460-89-9847"),
        ("SSN 460899847", "US_SSN", "460899847"),
        ("from 106.31.73.20 at", "IP_ADDRESS", "106.31.73.20"),
        ("client_ip=8.8.4.4", "IP_ADDRESS", "8.8.4.4"),
        ("81.174.15.33. He", "IP_ADDRESS", "81.174.15.33"),
        ("It came from\n81.74.15.33 - again", "IP_ADDRESS", "81.74.15.33"),
        ("at 2a01:4f8:c17:b0f::2 it", "IP_ADDRESS", "2a01:4f8:c17:b0f::2"),
        ("card 3C-52-82-4E-9A-D1 is", "MAC_ADDRESS", "3C-52-82-4E-9A-D1"),
        ("born on 14 March 1987 in", "DATE_OF_BIRTH", "14 March 1987"),
        ("DOB: 1987-03-14", "DATE_OF_BIRTH", "1987-03-14"),
        ("passport no. C03005988.", "PASSPORT", "C03005988"),
        ("BSN 111222333", "NATIONAL_ID", "111222333"),
        ("my Aadhaar number is 8914 1777 6319.", "NATIONAL_ID", "8914 1777 6319"),
        ("aadhar: 166907439151", "NATIONAL_ID", "166907439151"),
        ("NINO: ZZ631706T", "NATIONAL_ID", "ZZ631706T"),
        ("her HETU\t290715A263P\tactive", "NATIONAL_ID", "290715A263P"),
        ("numéro de sécurité sociale 236012B03320659", "NATIONAL_ID", "236012B03320659"),
        ("codice RCCMNL83S18D969H ok", "NATIONAL_ID", "RCCMNL83S18D969H"),
        (f"key {AWS} in", "SECRET_KEY", AWS),
        (f"use {TOKEN} now", "SECRET_KEY", TOKEN),
        ('"api_key": "Zx81kQ0pLm27RtYvB4"', "SECRET_KEY", "Zx81kQ0pLm27RtYvB4"),
        ("SECRET_KEY=Zx81kQ0pLm27RtYvB4", "SECRET_KEY", "Zx81kQ0pLm27RtYvB4"),
        ("ftp://kim:hunter29x@files.acme.io/x", "URL_WITH_CREDENTIALS", "kim:hunter29x"),
        ("0x52908400098527886E0F7030069857D2E4169EE7", "CRYPTO_ADDRESS", "0x52908400098527886E0F7030069857D2E4169EE7"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "CRYPTO_ADDRESS", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("at 12 High Street, Leeds LS1 4AB by", "STREET_ADDRESS", "12 High Street, Leeds LS1 4AB"),
        ("Flat 21\nBell Well\nPort Andrew\nBA2P 0YE", "STREET_ADDRESS", "Flat 21\nBell Well\nPort Andrew\nBA2P 0YE"),
        ("PO Box 1234", "STREET_ADDRESS", "PO Box 1234"),
    ],
)  # fmt: skip
def test_personal_data_is_found_whole(text: str, kind: str, value: str) -> None:
    assert [(span.kind, text[span.start : span.end]) for span in find(text)] == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com, someone@host.test and root@localhost",
        "git@github.com:owner/name.git and logo@2x.png, a @ b, x@y",
        "127.0.0.1, 192.168.1.4, 10.0.0.7, 192.0.2.9, ::1, fe80::1, 2001:db8::5",
        "version 1.2.3.4, Thunderbird 1.5.0.9, pip==20.3.4.1 and section 4.2.1.3",
        "a[::2], std::vector, 12:30:45, 2004::",
        "4111 1111 1111 1112 and 1234567890123456",
        "GB33BUKB20201555555556",
        "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567",
        "ISBN 978-0-306-40615-7, 2024-01-15, 1990-1995, pi 3.14159265358979",
        ">>> factorial(10) # makes 11 recursive calls\n3628800",
        "ff:ff:ff:ff:ff:ff and 00:00:00:00:00:00",
        "founded on 14 March 1987",
        "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "https://user:password@example.com/ and token = get_token(request)",
        "In 1929 Wall Street fell. 3 Way valves. 10 Things You Should Drive",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb is off by one letter",
        "password: changeme",
        "order 891417776319 and UID 891417776319, invoice ZZ631706T, part 290715A263P",
        "34.5.1.1. Issuing Queries\nfollows\n  36.4.4.2.\u00a0 Accessing Data",
        "the page is text/scalc/01/02200000.xhp or text/shared/01012000.xhp",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert find(text) == []


def test_kinds_asked_for_are_the_only_ones_masked_and_none_takes_anothers_place() -> None:
    text = "mail bo@fastpost.de or call +44 20 7183 8750"
    assert mask(text, ("email",)) == ("mail [EMAIL] or call +44 20 7183 8750", {"EMAIL": 1})
    assert mask(f"card {4556737586899855}", ("PHONE",))[1] == {}
    with pytest.raises(ParameterError, match="SHOE"):
        find(text, ("SHOE",))


def test_overlaps_go_to_the_kind_of_higher_precedence() -> None:
    text = "IBAN GB33BUKB20201555555555 and https://ann:Tr0ub4dor@mail.acme.io"
    spans = find(text)
    assert [span.kind for span in spans] == ["IBAN", "URL_WITH_CREDENTIALS"]
    assert spans[0].end <= spans[1].start


@settings(max_examples=80, deadline=None)
@given(st.text(), st.lists(st.sampled_from([info.example for info in KINDS.values()]), max_size=4))
def test_masking_is_idempotent_on_any_text(noise: str, values: list[str]) -> None:
    masked, counts = mask(noise.join(["", *values, ""]))
    assert mask(masked) == (masked, {})
    assert all(count > 0 for count in counts.values())


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="0123456789 -.()+/:@[]aAfFeEXx\n'=é"))
def test_dense_signs_never_crash_and_spans_fit(text: str) -> None:
    spans = find(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)


def test_hostile_text_takes_no_quadratic_time() -> None:
    texts = [
        "@" * 30_000,
        "1-" * 20_000,
        "a@" * 20_000,
        "12 A" * 10_000,
        ":" * 30_000,
        "password: " * 4_000,
        "1 " * 30_000,
    ]
    for text in texts:
        assert all(span.end <= len(text) for span in find(text))
