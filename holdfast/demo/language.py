"""Which natural language a document is written in.

Owns: the stopword profiles, the scripts that decide on their own, and how sure is sure enough.
Must not know: kinds, files, markup.

A language's most frequent little words make up a third to a half of any running text in it and hardly any of a text in
another one. Where the winner leads by too little, or there are too few words, the answer is "unknown".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CODE: Final = "code"
"""The language of source code and data."""

UNKNOWN: Final = "unknown"

NAMES: Final[dict[str, str]] = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "sv": "Swedish",
    "da": "Danish",
    "pl": "Polish",
    "cs": "Czech",
    "ro": "Romanian",
    "hu": "Hungarian",
    "fi": "Finnish",
    "tr": "Turkish",
    "id": "Indonesian",
    "ru": "Russian",
    "uk": "Ukrainian",
    "el": "Greek",
    "ja": "Japanese",
    "zh": "Chinese",
    "ko": "Korean",
    CODE: "Code and data",
    UNKNOWN: "Unknown",
}

STOPWORDS: Final[dict[str, frozenset[str]]] = {
    # A single Latin letter is a name in a formula far more often than a word.
    language: frozenset(each for each in words.split() if len(each) > 1 or each > "z")
    for language, words in {
        "en": "the of and to in is that it for as with on be this are by an or not from at which you if can may "
        "will has have was were been but all any when there than then its do does no so such these those "
        "other each only also they their them he she his her we our your my me us what who how where into "
        "over under between must should would could about more most some use used using same one two new "
        "see set get",
        "de": "der die und den von das des dem nicht ein eine einer einen einem ist mit für auf im zu es sich "
        "als auch an werden wird wenn oder aus bei nach durch kann sind nur wie diese dieser dieses zum "
        "zur über um noch so dass bis",
        "fr": "le la les de des du et en un une est que qui dans pour par sur au aux ce cette avec pas plus ou "
        "sont être se il ne si son ses ces sans comme nous vous leur fichier peut lors chaque tous",
        "es": "el la los las de del y en un una es que se por para con no su al lo como más este esta son si o "
        "puede sin entre cuando todos sus pero también está ser fichero archivo cada",
        "it": "il la le di del della dei delle e in un una è che per con non si da nel come sono questo questa "
        "alla al più o se può gli dal ogni essere viene anche",
        "pt": "o a os as de do da dos das e em um uma é que para com não se por no na como mais este esta são "
        "ou pode ser ao pelo pela seu sua arquivo cada você",
        "nl": "de het een en van in is dat op te voor met niet zijn die aan als wordt door of bij naar om uit "
        "ook dan kan deze dit worden er maar nog alle bestand",
        "sv": "och att det som en på är av för med den till inte om ett har de kan från eller vid så filen "
        "används ska när",
        "da": "og at det som en på er af for med den til ikke om et har de kan fra eller ved så filen bruges "
        "skal når hvis blive",
        "pl": "i w na z do nie się jest to że od po za przez dla lub jako przy może być są oraz tylko które "
        "który jeśli plik ten tego tym jego",
        "cs": "a v na se je z do že s pro o nebo jako které který jsou být po podle při pokud není tak ale jeho "
        "jen soubor",
        "ro": "și în de la a este cu pe nu un o care pentru din sau sunt se mai ca prin fi dacă fișierul poate "
        "după doar",
        "hu": "a az és egy hogy nem is ha meg vagy ez csak el ki mint van be kell lehet fájl így azt minden",
        "fi": "ja on ei se että joka ole tai kun jos voi sekä myös mutta niin tämä tiedosto ovat käyttää vain",
        "tr": "ve bir bu için ile de da olarak olan gibi daha veya her ne en çok kadar sonra değil dosya ise",
        "id": "dan yang di untuk dengan dari ini pada adalah tidak atau dapat jika akan ke dalam berkas oleh sebagai",
        "ru": "и в не на с что как по для из от или это к он но за если при также может быть файл файла только",  # noqa: RUF001 - Cyrillic is meant
        "uk": "і в не на з що як для до або від це за якщо та може бути буде файл файлу лише також",  # noqa: RUF001 - Cyrillic is meant
    }.items()
}

# Letters that belong to one language, or to few and this one by far the most, with what the words cannot tell.
_SCRIPTS: Final = (
    ("ja", "\u3041", "\u30ff"),  # before Chinese: Japanese writes both kana and Han
    ("ko", "\uac00", "\ud7a3"),
    ("zh", "\u4e00", "\u9fff"),
    ("el", "\u0391", "\u03ce"),
)

WORDS_MIN: Final = 20
"""Fewer words than this are too little to tell a language from."""

SHARE_MIN: Final = 0.12
"""The least share of stopwords for an answer; running text has 0.3 and more, tables and lists less."""

LEAD_MIN: Final = 1.15
"""By how much the winner must lead the second."""

SCRIPT_LETTERS_MIN: Final = 0.15
"""The share of a sample's letters in a script that decides for its language."""

_SAMPLE_CHARACTERS: Final = 2_000


def language_of(text: str, words: Mapping[str, int], total: int) -> str:
    """Return the ISO 639-1 code of the language of `text`, or "unknown".

    `words` counts the lower-case words of the text, `total` is their number together.
    """
    script = _script(text)
    if script is not None:
        return script
    if total < WORDS_MIN:
        return UNKNOWN
    scores = sorted(
        ((sum(words.get(each, 0) for each in profile), language) for language, profile in STOPWORDS.items()),
        reverse=True,
    )
    (best, language), (second, _) = scores[0], scores[1]
    return language if best >= SHARE_MIN * total and best >= LEAD_MIN * second else UNKNOWN


def _script(text: str) -> str | None:
    middle = len(text) // 2  # headers and licences are English everywhere; the middle is what the author wrote
    sample = [each for each in text[middle : middle + _SAMPLE_CHARACTERS] if each.isalpha()]
    if not sample or max(sample) < _SCRIPTS[-1][1]:
        return None
    for language, first, last in _SCRIPTS:
        if sum(first <= each <= last for each in sample) >= SCRIPT_LETTERS_MIN * len(sample):
            return language
    return None
