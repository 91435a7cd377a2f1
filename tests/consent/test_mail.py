"""The mail of a request says that one waits, until when and where, and nothing else."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from consent.mail import (
    Head,
    consent_link,
    is_plain_address,
    message_id,
    notice_mail,
    request_mail,
)
from consent.push import Notice
from tests.support.domain import CONSENT_ID, ISSUER, NOW

HEAD = Head("Example Nod", "nod@example.org", "ann@example.com", CONSENT_ID)
LINK = consent_link(ISSUER, CONSENT_ID)


def a_mail(head: Head = HEAD, *, link: str = LINK, answers_by_link: bool = False) -> EmailMessage:
    """As it is read at the other end."""
    mail = request_mail(
        head, link=link, expires_at_seconds=NOW + 60, answers_by_link=answers_by_link, now=NOW + 0.5
    )
    read = message_from_bytes(mail.as_bytes(policy=policy.SMTP), policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


def parts(mail: EmailMessage) -> dict[str, str]:
    return {part.get_content_type(): part.get_content() for part in mail.iter_parts()}


def test_its_headers_are_those_of_a_machine_that_expects_no_answer() -> None:
    """RFC 5322 3.6, RFC 3834 5."""
    mail = a_mail()

    assert mail["From"] == "Example Nod <nod@example.org>"
    assert mail["To"] == "ann@example.com"
    assert mail["Subject"] == "Example Nod: a request waits for you"
    assert mail["Date"] == "Mon, 21 Sep 2026 14:13:20 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_repetition_is_known_by_its_id_and_another_request_has_another() -> None:
    assert a_mail()["Message-ID"] == message_id(HEAD)
    assert message_id(HEAD._replace(id="another\r\nBcc: eve")) != message_id(HEAD)
    assert "\n" not in message_id(HEAD._replace(id="another\r\nBcc: eve"))


def test_both_parts_say_until_when_and_hold_the_link() -> None:
    by_type = parts(a_mail())

    assert by_type.keys() == {"text/plain", "text/html"}
    for text in by_type.values():
        assert "until 21 September 2026, 14:14 UTC" in text
        assert LINK in text


@pytest.mark.parametrize("answers_by_link", [False, True])
def test_who_may_answer_is_said(*, answers_by_link: bool) -> None:
    for text in parts(a_mail(answers_by_link=answers_by_link)).values():
        assert ("Do not forward" in text) is answers_by_link
        assert ("Only a device that you have added" in text) is not answers_by_link


def test_what_opens_the_page_is_in_the_fragment_which_no_server_is_sent() -> None:
    link = consent_link(ISSUER, CONSENT_ID, "a.token")

    assert link == f"{ISSUER}authenticator#consent={CONSENT_ID}&mailbox=a.token"
    assert link.index("#") < link.index(CONSENT_ID) < link.index("a.token")
    assert (
        f'href="{ISSUER}authenticator#consent={CONSENT_ID}&amp;mailbox=a.token"'
        in (parts(a_mail(link=link))["text/html"])
    )


@pytest.mark.parametrize(
    "name",
    [
        "Bank\r\nBcc: eve@example.com",
        "Bank\nX: y",
        "Bank\x00\x1b[31m",
        '"Bank" <eve@example.com>, ',
        "<img src=x onerror=alert(1)>",
        "\ud800",
        "",
        "銀" * 5_000,
    ],
    ids=lambda it: ascii(it)[:20],
)
def test_a_hostile_name_stays_a_name(name: str) -> None:
    mail = a_mail(HEAD._replace(name=name))

    assert mail.keys() == a_mail().keys()
    [sender] = mail["From"].addresses
    assert sender.addr_spec == "nod@example.org"
    [recipient] = mail["To"].addresses
    assert recipient.addr_spec == "ann@example.com"
    assert "<img" not in parts(mail)["text/html"]
    assert len(mail["Subject"]) < 200


def test_a_notice_is_its_words() -> None:
    notice = Notice("A device was added\r\nBcc: x", "Phone 2 & <3\n\nWas it not you? Remove it.")
    mail = notice_mail(HEAD, notice, now=NOW)

    assert mail["Subject"] == "A device was addedBcc: x"
    by_type = parts(mail)
    assert "Phone 2 & <3\n\nWas it not you? Remove it." in by_type["text/plain"]
    assert "Phone 2 &amp; &lt;3" in by_type["text/html"]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("ann@example.com", True),
        ("a.n+n'o@sub.example.com", True),
        ("jürgen@exämple.com", True),
        ("", False),
        ("ann", False),
        ("@example.com", False),
        ("ann@", False),
        ("a@b@c", False),
        ("a b@example.com", False),
        ("Ann <ann@example.com>", False),
        ("a@example.com,b@example.com", False),
        ("a@example.com;b@example.com", False),
        ("a@example.com\n", False),
        ("a\r\n@example.com", False),
        ("a@exam\x00ple.com", False),
        ("a\ud800@example.com", False),
        ('"a"@example.com', False),
        ("a@[127.0.0.1]", False),
        ("a" * 244 + "@example.com", False),
    ],
    ids=lambda it: ascii(it)[:30],
)
def test_an_address_is_one_and_has_nothing_beside_it(text: str, *, is_one: bool) -> None:
    assert is_plain_address(text) is is_one
