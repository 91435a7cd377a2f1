"""What the enrolment page says, in the languages it speaks."""

from typing import NamedTuple


class Words(NamedTuple):
    language: str
    title: str
    account: str  # holds {account} and {name}
    here: str
    use_this_browser: str
    phone: str
    scan: str
    code: str  # what the picture is, for those who cannot see it
    needs_https: str
    app: str
    scan_with_app: str
    app_code: str
    add_to_app: str
    waiting: str
    used: str
    gone: str


ENGLISH = Words(
    language="en",
    title="Add an authenticator",
    account="For {account} at {name}",
    here="On this device",
    use_this_browser="Use this browser",
    phone="On a phone",
    scan="Scan this code with the phone's camera. Its browser becomes the authenticator.",
    code="QR code of the link for another device",
    needs_https="This server has no https address: only browsers on its own machine can use it.",
    app="With an authenticator app instead",
    scan_with_app="Scan this code with the app:",
    app_code="QR code for an authenticator app",
    add_to_app="Open it in the app on this device",
    waiting="This link is good for one authenticator. Give it to nobody else.",
    used="Done: the authenticator is added. You can close this page.",
    gone="This link is not valid (any more). Ask for a new one.",
)
JAPANESE = Words(
    language="ja",
    title="認証デバイスの追加",
    account="アカウント: {account} ({name})",
    here="このデバイスで使う",
    use_this_browser="このブラウザーを使う",
    phone="スマートフォンで使う",
    scan="スマートフォンのカメラでこのコードを読み取ってください。そのブラウザーが認証デバイスになります。",
    code="別のデバイス用リンクのQRコード",
    needs_https="このサーバーにはhttpsのアドレスがないため、このコンピューターのブラウザーでのみ使えます。",
    app="認証アプリを使う場合",
    scan_with_app="アプリでこのコードを読み取ってください。",
    app_code="認証アプリ用のQRコード",
    add_to_app="このデバイスのアプリで開く",
    waiting="このリンクで登録できるのは1台だけです。ほかの人に渡さないでください。",
    used="完了しました。認証デバイスが追加されました。このページは閉じてかまいません。",
    gone="このリンクは無効です。新しいリンクを発行してもらってください。",
)


def words(accept_language: str) -> Words:
    """Of `Accept-Language` (RFC 9110 12.5.4), the language that is wanted most; else English."""
    wanted = [_range(part) for part in accept_language.split(",")]
    spoken = {"en": ENGLISH, "ja": JAPANESE}
    found = [(weight, -at, tag) for at, (tag, weight) in enumerate(wanted) if tag in spoken]
    weight, _, tag = max(found, default=(0.0, 0, "en"))
    return spoken[tag] if weight > 0 else ENGLISH


def _range(part: str) -> tuple[str, float]:
    """The primary subtag and its weight; one that is no number is not wanted."""
    tag, _, parameter = part.partition(";")
    name, _, value = parameter.strip().partition("=")
    primary = tag.strip().partition("-")[0].lower()
    if not name:
        return primary, 1.0
    try:
        return primary, float(value) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return primary, 0.0
