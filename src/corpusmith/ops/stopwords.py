"""Small lists of stop words, our own: articles, pronouns, prepositions, conjunctions, auxiliaries.

Taking them out harms the training of a language model; it is done only when a person asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from corpusmith.core.errors import ParameterError

STOPWORDS: dict[str, str] = {
    "en": "a an the and or but if then than so as of at by for with about into through to from in on up down out "
    "off over under is am are was were be been being have has had having do does did doing i me my we our you "
    "your he him his she her it its they them their this that these those what which who whom when where why "
    "how all any both each few more most other some such no nor not only own same too very can will just "
    "should would could may might must there here again once",
    "de": "der die das den dem des ein eine einen einem einer eines und oder aber wenn dann als so von vom zu zum "
    "zur bei beim mit nach aus auf in im an am um für über unter durch gegen ohne ist sind war waren sein bin "
    "bist hat haben hatte hatten wird werden wurde wurden ich du er sie es wir ihr mich mir dich dir ihn ihm "
    "uns euch mein dein sein unser dieser diese dieses jener jene was wer wo wie warum nicht kein keine auch "
    "nur noch schon sehr da dass daß",
    "fr": "le la les un une des du de d l et ou mais si que qui quoi dont où ne pas plus au aux à en dans par pour "
    "sur sous avec sans est sont était étaient être suis es sommes êtes ai as a avons avez ont avait je tu il "
    "elle on nous vous ils elles me te se mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce "
    "cet cette ces y très",
    "es": "el la los las un una unos unas y e o u pero si que quien cual de del al a en con sin por para sobre "
    "entre desde hasta es son era eran ser soy eres somos fue fueron ha han he has había yo tú él ella "
    "nosotros ellos ellas me te se lo le les nos mi mis tu tus su sus este esta estos estas ese esa eso no ni "
    "más muy ya también como",
    "it": "il lo la i gli le un uno una e ed o ma se che chi cui di del dello della dei degli delle a al allo alla "
    "ai agli alle da dal dalla in nel nella con su sul sulla per tra fra è sono era erano essere ho hai ha "
    "abbiamo hanno io tu lui lei noi voi loro mi ti si ci vi mio mia tuo tua suo sua questo questa quello "
    "quella non più anche come",
    "pt": "o a os as um uma uns umas e ou mas se que quem qual de do da dos das ao aos à às em no na nos nas com "
    "sem por pelo pela para sobre entre é são era eram ser sou foi foram tem têm há eu tu ele ela nós eles "
    "elas me te se lhe meu minha seu sua este esta esse essa isso não mais muito já também como",
    "nl": "de het een en of maar als dan van voor met aan in op uit bij naar door over onder is zijn was waren ben "
    "bent heeft hebben had wordt worden ik je jij u hij zij ze wij we jullie mij me hem haar ons hun mijn "
    "jouw dit dat deze die wat wie waar hoe niet geen ook nog al zeer er om te",
    "ru": "и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по ее её мне было вот от "
    "меня о из ему когда ну ли если или ни быть был него до вас уж вам ведь там потом себя ей они тут где "
    "есть для мы их чем была без чтобы это этот эта эти",
    "pl": "i w we z ze na do nie to że się jest są był była było o a ale lub albo jak po za od dla przez przy nad "
    "pod ja ty on ona ono my wy oni one mnie mi cię ci go mu ją jej nas nam was ich im ten ta te tego tej co "
    "kto gdzie już tylko tak też",
}
"""Stop words by ISO 639-1 code, as one text of words."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def check_languages(languages: Sequence[str]) -> None:
    """Check that there is a list for each of the languages.

    Raises:
        ParameterError: There is none for one of them, or none was given.
    """
    unknown = sorted(set(languages) - set(STOPWORDS))
    if unknown or not languages:
        what = ", ".join(unknown) or "no language"
        raise ParameterError(f"no stop words for {what}", hint=f"There are lists for {', '.join(sorted(STOPWORDS))}.")


@cache
def _words(languages: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word for language in languages for word in STOPWORDS[language].split())


def without_stopwords(text: str, languages: tuple[str, ...]) -> tuple[str, int]:
    """`text` without the stop words of `languages` and the space after each, and how many went."""
    words = _words(languages)
    pieces, last, count = [], 0, 0
    for match in _WORD.finditer(text):
        if match.group().lower() in words:
            end = match.end()
            while end < len(text) and text[end] == " ":
                end += 1
            pieces.append(text[last : match.start()])
            last = end
            count += 1
    return ("".join(pieces) + text[last:], count) if count else (text, 0)
