"""Names that strangers give themselves (T20)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.client_metadata import InvalidClientMetadata
from consent.registration.names import check_name

HONEST = [
    "Example Bank",
    "Bank & Co. (Zürich) - 3½ %",
    "Vi\u1ec7t Nam",  # a letter with two marks, composed
    "Vie\u0323\u0302t Nam",  # and not
    "Сбербанк Visa",  # each word in one script
    "Τράπεζα Ελλάδος",
    "みずほ銀行 \uff21\uff34\uff2d",
    "하나은행",
    "בנק הפועלים",
    "بنك مصر",
    "भारतीय स्टेट बैंक",
    "Ընկերություն",
    "💳 Pay",
    "日本IBM株式会社",
    "セブン-イレブン 々 ー",
    "Hawai\u02bbi & \u0417\u0434\u043e\u0440\u043e\u0432\u02bc\u044f",
    "1ª N.º ① ²",
    "ธนาคารกรุงเทพ",
    "የኢትዮጵያ ባንክ",
    "საქართველოს ბანკი",
    "Тинькофф",
]


@pytest.mark.parametrize("name", HONEST)
def test_a_name_in_any_script_is_a_name(name: str) -> None:
    check_name("client_name", name)


DECEITFUL = {
    "markup": "<b>Bank</b>",
    "the end of markup": "Bank>",
    "a Cyrillic letter among Latin ones": "B\u0430nk",
    "a Greek letter among Latin ones": "B\u03b1nk",
    "an Armenian letter among Latin ones": "Ba\u0578k",
    "a Cherokee letter among Latin ones": "\u13f4ank",
    "a fullwidth letter among Latin ones": "\uff22ank",
    "a Greek letter among Cyrillic ones": "\u0411\u03b1\u043d\u043a",
    "a second word that mixes": "The B\u0430nk",
    "Cyrillic letters that spell a Latin word": "\u0440\u0430\u0443\u0440\u0430",
    "Cyrillic letters that spell a Latin word beside one": "Visa \u0441\u043e\u0440\u0435",
    "Greek letters that spell a Latin word": "\u039f\u03a4\u0395",
    "Lisu letters that spell a Latin word": "\ua4d1\ua4ee\ua4ec",
    "Cherokee letters that spell a Latin word": "\u13e2\u13aa\u13a9",
    "Armenian letters that spell a Latin word": "\u057d\u0578\u057d\u0585",
    "Coptic letters": "\u2ca2\u2c80",
    "letters in circles": "\u24c5\u24d0\u24e8",
    "letters in squares": "\U0001f13f\U0001f130\U0001f148",
    "letters in black circles": "\U0001f15f\U0001f150",
    "raised letters": "\u1d56\u1d43\u02b8",
    "small capitals": "G\u1d0f\u1d0fgle",
    "a Roman fifty for an l": "Paypa\u217c",
    "a click for an l": "Paypa\u01c0",
    "a letter of phonetics": "P\u0251ypal",
    "a note without a head": "Bank \U0001d159 x",
    "mathematical letters": "\U0001d401ank",
    "a sign for a letter": "\u212aauf",
    "a zero width space": "Ba\u200bnk",
    "a zero width joiner": "Ba\u200dnk",
    "a direction override": "Bank\u202eknaB",
    "a soft hyphen": "Ba\u00adnk",
    "a Hangul filler": "\u3164",
    "an empty braille pattern": "Bank \u2800",
    "a variation selector": "Bank\ufe0f",
    "a combining joiner": "Ba\u034fnk",
    "a control": "Bank\x1b[2J",
    "a newline": "Bank\nBank",
    "a space that is not one": "Bank\u00a0Bank",
    "a space at the end": "Bank ",
    "letters under a heap of marks": "Bank" + "\u0301" * 3,
    "private use": "Bank \ue000",
}


@pytest.mark.parametrize("name", DECEITFUL.values(), ids=DECEITFUL)
def test_a_name_that_passes_for_another_is_refused(name: str) -> None:
    with pytest.raises(InvalidClientMetadata) as refused:
        check_name("client_name", name)

    assert refused.value.property_name == "client_name"
    assert refused.value.reason.isascii()


@given(st.text())
def test_any_text_is_a_name_or_refused_as_one(name: str) -> None:
    try:
        check_name("client_name", name)
    except InvalidClientMetadata:
        return
    assert name == name.strip()
    assert name.isprintable()
