"""The language of running text is told from its little words, and unknown is an answer."""

# ruff: noqa: RUF001 - other scripts are meant

from __future__ import annotations

from collections import Counter

import pytest

from holdfast.demo.language import NAMES, STOPWORDS, UNKNOWN, language_of
from holdfast.demo.terms import split_words

TEXTS = {
    "en": "The file is read from the disk and, if it cannot be found, an error is written to the log that "
    "you chose for it.",
    "de": "Die Datei wird von der Platte gelesen, und wenn sie nicht gefunden wird, steht ein Fehler in dem "
    "Protokoll, das für sie gewählt wurde.",
    "fr": "Le fichier est lu sur le disque et, s'il n'est pas trouvé, une erreur est écrite dans le journal "
    "qui a été choisi pour lui par la personne.",
    "es": "El archivo se lee del disco y, si no se encuentra, se escribe un error en el registro que se ha "
    "elegido para él en la configuración.",
    "it": "Il file viene letto dal disco e, se non si trova, un errore viene scritto nel registro che è "
    "stato scelto per questo con la configurazione.",
    "nl": "Het bestand wordt van de schijf gelezen en als het niet gevonden is, staat er een fout in het "
    "logboek dat voor dit bestand is gekozen.",
    "pl": "Plik jest czytany z dysku, a jeśli nie zostanie znaleziony, to błąd jest zapisywany do "
    "dziennika, który był wybrany przez użytkownika dla tego pliku.",
    "ru": "Файл читается с диска, и если он не найден, то ошибка записывается в журнал, который был выбран "
    "для этого файла при установке.",
    "ja": "ファイルはディスクから読み込まれ、見つからない場合はエラーがログに書き込まれます。",
    "zh": "文件从磁盘读取，如果找不到文件，则将错误写入为其选择的日志。",
    "ko": "파일은 디스크에서 읽으며, 찾을 수 없으면 선택한 로그에 오류가 기록됩니다.",
    "el": "Το αρχείο διαβάζεται από τον δίσκο και αν δεν βρεθεί γράφεται ένα σφάλμα στο ημερολόγιο.",
}


def told(text: str) -> str:
    """Return the language that `text` is taken for."""
    words = split_words(text)
    return language_of(text, Counter(words), len(words))


@pytest.mark.parametrize("language", TEXTS)
def test_running_text_is_recognised(language: str) -> None:
    """One sentence of each language is enough."""
    assert told(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text", ["", "the of and", "0 1 2 3", "lorem dolor amet tempor magna aliqua " * 9, "\u0000" * 50]
)
def test_too_little_or_nothing_known_is_unknown(text: str) -> None:
    """No guess is made from a few words or from none."""
    assert told(text) == UNKNOWN


def test_two_languages_that_fit_alike_are_unknown() -> None:
    """Words that Swedish and Danish share do not decide between them."""
    assert told("det som en på med den om har de kan eller så " * 4) == UNKNOWN


def test_every_profile_has_a_name() -> None:
    """The report can name every language that can be found."""
    assert set(STOPWORDS) <= set(NAMES)
