from __future__ import annotations

import pytest

from corpusmith.sources.latin_pages import latin_page

ENGLISH = "Déjà vu: the naïve café in Grünau serves crème brûlée — “really” good, they say."
SWEDISH = "Två små katter åt upp all mat på köksbordet, och sedan låg de länge och sov i solen."
HUNGARIAN = "Az öt hűtőházból kértünk színhúst, és őszintén örültünk a jó minőségű árunak."
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy, a pak šel zpátky do stáje."
POLISH = "Proszę przyjść jutro o godzinie ósmej, bo później będzie już za późno, żeby coś zjeść."
TURKISH = "Güneşli bir gün çocuklar ağacın altında oturup şarkı söylüyordu, ışık güzeldi."
ICELANDIC = "Það var einu sinni lítil stúlka sem bjó við ána og söng öll kvöld ævi sinnar."
FRENCH = "Les élèves étaient très contents : « ça marche », dit le maître à côté de la fenêtre."
PORTUGUESE = "A organização da informação começou à noite; os irmãos são muito pontuais no 1º dia, não é?"
GERMAN = "Die Größe der Tür überraschte alle; sie mussten das Maß zweimal prüfen, bevor es Abend wurde."


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("cp1252", ENGLISH),
        ("cp1252", SWEDISH),
        ("cp1252", ICELANDIC),
        ("cp1252", PORTUGUESE),
        ("cp1252", f"{FRENCH}\n{GERMAN}\n{SWEDISH}"),
        ("cp1252", "It’s “done” – at last."),
        ("cp1250", HUNGARIAN),
        ("cp1250", CZECH),
        ("iso8859_2", CZECH),
        ("iso8859_2", POLISH),
        ("cp1254", TURKISH),
        ("cp1257", "Ąžuolas žaliuoja, o šalia jo teka upė; mūsų kaimas čia gyvena jau šimtą metų."),
        ("cp850", GERMAN),
        ("mac_roman", FRENCH),
        ("iso8859_15", "Le cœur de l'œuvre a été vu à Nîmes, et c'était très bien."),
    ],
)
def test_the_page_is_the_one_whose_language_has_these_accents(page, text):
    assert text.encode(page).decode(latin_page(text.encode(page))) == text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("cp1251", "Привет, мир. Это обычный текст на русском языке для проверки."),
        ("koi8_r", "Привет, мир. Это обычный текст на русском языке для проверки."),
        ("cp1253", "Καλημέρα σας, αυτό είναι ένα απλό κείμενο για δοκιμή."),
        ("gb18030", "这是一个中文句子，用来测试编码检测是否正确。"),
    ],
)
def test_another_script_is_no_latin_page(page, text):
    assert latin_page(text.encode(page)) == ""


def test_a_little_russian_between_much_ascii_is_no_latin_page():
    rows = "".join(
        f'{{"identifier": "row-number-{n}", "title": "{word}"}}\n' for n, word in enumerate(("мир", "привет"))
    )
    assert latin_page(rows.encode("cp1251")) == ""
