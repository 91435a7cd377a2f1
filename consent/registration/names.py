"""
Names that strangers give themselves, and people read before they approve: no markup, nothing
invisible, and nothing that passes for another name (T20).
"""

import re
import unicodedata
from itertools import groupby

from consent.client_metadata import InvalidClientMetadata

# Unicode's Default_Ignorable_Code_Point where `isprintable` says yes, and blanks that are no
# spaces: fillers, joiners, variation selectors, the empty braille pattern, a note without a head.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001d159\U000e0100-\U000e01ef]"
)
_MARKS_IN_A_ROW_MAX = 2  # more than any orthography stacks, less than hides the line above

# Scripts in daily use (UAX 31, table 5). The others are full of letters that are read as Latin
# ones: a whole name can be spelled in Lisu or Cherokee that way.
_IN_DAILY_USE = """
    ARABIC ARMENIAN BENGALI BOPOMOFO CJK CYRILLIC DEVANAGARI ETHIOPIC FULLWIDTH GEORGIAN GREEK
    GUJARATI GURMUKHI HALFWIDTH HANGUL HEBREW HIRAGANA IDEOGRAPHIC KANNADA KATAKANA
    KATAKANA-HIRAGANA KHMER LAO LATIN MALAYALAM MYANMAR ORIYA SINHALA TAMIL TELUGU THAANA THAI
    TIBETAN
"""
_SCRIPTS = frozenset(_IN_DAILY_USE.split())
_OF_ANY_SCRIPT = frozenset("\u02bb\u02bcªº")  # signs that Unicode calls letters

# Scripts whose letters look like each other's. Others are mixed with Latin in honest words.
_LOOK_ALIKE_SCRIPTS = {"LATIN", "FULLWIDTH", "CYRILLIC", "GREEK", "ARMENIAN"}
# Signs and letters for formulas, and Latin letters of phonetic notation that are read as others.
_IN_A_TYPEFACE = re.compile("[\u2100-\u214f\U0001d400-\U0001d7ff\u0251\u0261\u0269\u01c0\ua781]")
_TYPEFACES = ("CIRCLED", "SQUARED", "PARENTHESIZED", "SMALL CAPITAL", "ROMAN NUMERAL")
# Letters of Cyrillic, Greek and Armenian that are read as Latin ones.
_READ_AS_LATIN = frozenset(
    "АВЕЅІЈКМНОРСТУХҮԌԚԜҺӀасеоріјѕухүһӏԁԛԝѵΑΒΕΖΗΙΚΜΝΟΡΤΥΧονανιυρκϲϳՍՏՕԼհոսցօզյք"
)


def check_name(member: str, text: str) -> None:
    """Raises InvalidClientMetadata."""
    if "<" in text or ">" in text:
        raise InvalidClientMetadata(member, "Must not contain < or >")
    if not text.isprintable() or _INVISIBLE.search(text) or text != text.strip():
        raise InvalidClientMetadata(member, "Has a character that cannot be seen")
    if _has_stacked_marks(text):
        raise InvalidClientMetadata(member, "Has too many marks on a letter")
    if _is_in_a_typeface(text) or _is_of_rare_script(text):
        raise InvalidClientMetadata(member, "Has letters that pass for others")
    if _mixes_scripts(text) or _passes_for_latin(text):
        raise InvalidClientMetadata(member, "Has letters that pass for others")


def _has_stacked_marks(text: str) -> bool:
    runs = groupby(text, lambda character: unicodedata.category(character) in {"Mn", "Me"})
    return any(is_mark and len(list(run)) > _MARKS_IN_A_ROW_MAX for is_mark, run in runs)


def _is_in_a_typeface(text: str) -> bool:
    """Whether a sign is a letter in another typeface, as the small Roman fifty is an l."""
    names = [unicodedata.name(character, "") for character in text if not character.isascii()]
    return bool(_IN_A_TYPEFACE.search(text)) or any(
        typeface in name and ("LATIN" in name or typeface == "ROMAN NUMERAL")
        for name in names
        for typeface in _TYPEFACES
    )


def _is_of_rare_script(text: str) -> bool:
    letters = (character for character in text if character.isalpha())
    return any(_script(it) not in _SCRIPTS for it in letters if it not in _OF_ANY_SCRIPT)


def _mixes_scripts(text: str) -> bool:
    """Whether a word has letters of two scripts that look alike, as in a Latin word with one а."""  # noqa: RUF002
    words = re.findall(r"\w+", text)
    return any(
        len(_LOOK_ALIKE_SCRIPTS.intersection(map(_script, filter(str.isalpha, word)))) > 1
        for word in words
    )


def _passes_for_latin(text: str) -> bool:
    """Whether all that tells a name in another script from a Latin one is the code points."""
    foreign = [
        character
        for character in text
        if character.isalpha() and _script(character) in {"ARMENIAN", "CYRILLIC", "GREEK"}
    ]
    return bool(foreign) and _READ_AS_LATIN.issuperset(foreign)


def _script(letter: str) -> str:
    """The first word of its name: Python knows no property of that kind."""
    return unicodedata.name(letter, "").partition(" ")[0]
