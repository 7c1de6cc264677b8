from __future__ import annotations

import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.sources import ReadOptions
from corpusmith.sources.encoding import decide, join_surrogates, repair

SENTENCES = {
    "cp1252": "Le café était fermé l’été, où l’on mangeait des crêpes très bien préparées.",
    "cp1250": "Zażółć gęślą jaźń. Proszę przyjść jutro o godzinie ósmej wieczorem.",
    "cp1251": "Привет, мир. Это обычный текст на русском языке для проверки.",
    "cp866": "Привет, мир. Это обычный текст на русском языке для проверки.",
    "koi8_r": "Привет, мир. Это обычный текст на русском языке для проверки.",
    "cp932": "これは日本語の文章です。文字コードの判定を試験します。",
    "gb18030": "这是一个中文句子，用来测试编码检测是否正确。",
    "cp949": "이것은 한국어 문장입니다. 인코딩 감지를 시험합니다.",
    "utf-8-sig": "Grüße aus Köln, mit einer Marke am Anfang.",
    "utf-16": "Grüße aus Köln in sechzehn Bit.",
    "utf-16-le": "Greetings from Cologne in sixteen bits without a mark.",
    "utf-16-be": "Greetings from Cologne in sixteen bits without a mark.",
    "utf-32": "Grüße aus Köln in zweiunddreißig Bit.",
}


@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize("suffix", ["txt", "jsonl", "csv", "json"])
def test_the_encoding_of_a_file_is_found(name, suffix, save, read_all):
    sentence = SENTENCES[name]
    content = {
        "txt": sentence,
        "jsonl": f'{{"text": "{sentence}"}}\n' * 3,
        "json": "[" + ",".join([f'{{"text": "{sentence}"}}'] * 3) + "]",
        "csv": "id,text\n" + f'1,"{sentence}"\n' * 3,
    }[suffix]
    rows, reader = read_all(save(f"a.{suffix}", content.encode(name)))
    assert {row["text"] for row in rows} == {sentence}
    assert not reader.rejects


def test_a_file_not_in_utf8_says_so_in_the_notes(save, read_all):
    _, reader = read_all(save("a.txt", SENTENCES["cp1251"].encode("cp1251")))
    assert "a.txt is written in cp1251." in reader.notes


def test_an_encoding_can_be_named(save, read_all):
    path = save("a.txt", "тест".encode("koi8_r"))
    assert read_all(path, options=ReadOptions(encoding="KOI8-R"))[0][0]["text"] == "тест"


@pytest.mark.parametrize("name", ["klingon", "zip", "rot13"])
def test_an_encoding_that_is_none_is_refused(name, save, read_all):
    with pytest.raises(ParameterError, match=name):
        read_all(save("a.txt", "x"), options=ReadOptions(encoding=name))


def test_bad_lines_of_a_utf8_file_are_repaired_one_by_one_and_counted(save, read_all):
    good = '{"text": "Größe und Maß, naïve façade"}\n'.encode()
    bad = '{"text": "the café is closed"}\n'.encode("cp1252")
    both = b'{"text": "na\xc3\xafve caf\xe9"}\n'
    cut = b'{"text": "cut \xe2\x80 here"}\n'
    rows, reader = read_all(save("a.jsonl", good * 3 + bad + both + cut))
    assert [row["text"] for row in rows[3:]] == ["the café is closed", "naïve café", "cut \ufffd here"]
    assert rows[0]["text"] == "Größe und Maß, naïve façade"
    assert not reader.rejects
    assert any("3 places or lines" in note for note in reader.notes)


def test_lone_surrogates_in_json_escapes_do_not_stop_a_row(save, read_all):
    rows, reader = read_all(save("a.jsonl", r'{"text": "a \ud83d b \ud83d\ude42", "k": "\udc00"}'))
    assert rows[0]["text"] == "a \ufffd b 🙂"
    assert rows[0]["meta"] == {"k": "\ufffd"}
    assert any("surrogates" in note for note in reader.notes)


def test_html_says_its_own_charset(save, read_all):
    page = '<html><head><meta charset="windows-1251"></head><p>Да</p></html>'
    assert "<p>Да</p>" in read_all(save("a.html", page.encode("cp1251")))[0][0]["text"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"caf\xe9", "café"),
        (b"\xed\xa0\xbd\xed\xb9\x82", "🙂"),  # a surrogate pair written as UTF-8 (CESU-8)
        (b"\xed\xa0\xbd alone", "\ufffd alone"),
        (b"\x81 has no letter in cp1252, \xc3\xa9 has", "\ufffd has no letter in cp1252, é has"),
    ],
)
def test_repair(line, text):
    assert repair(line, "cp1252") == text


def test_a_line_of_a_code_page_that_happens_to_hold_a_utf8_pair_is_read_in_its_page():
    line = "В своём письме она писала об этом дне.".encode("koi8_r")
    assert b"\xcf\xa3" in line  # `oё`, which is also a letter in UTF-8
    assert repair(line, "koi8_r") == "В своём письме она писала об этом дне."


def test_repair_never_leaves_a_surrogate():
    for first in range(0x80, 0x100):
        for second in (0x20, 0x80, 0xA0, 0xBF, 0xED, 0xFF):
            repair(bytes([first, second, 0x80]), "cp1252").encode()


def test_join_surrogates_leaves_clean_text_alone():
    assert join_surrogates("é🙂") == "é🙂"


def test_a_sample_cut_inside_a_character_is_still_utf8():
    assert decide("é".encode()[:1], complete=False, options=ReadOptions()).name == "utf-8"
