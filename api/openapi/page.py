"""
The description as a page: plain HTML with a style of its own, and nothing from anywhere else.

Rendered once from the document, so that both say the same. Everything in it is escaped, and the
policy lets the browser do nothing but apply the one style.
"""

import base64
import hashlib
import html
import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--link:light-dark(#0b57a4,#8ab8ff)}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:light-dark(#fff,#14171a);
color:light-dark(#1a1d21,#e4e7ea)}
a{color:var(--link)}
a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99em}
.skip:focus{left:1em;top:1em}
header,main,nav{padding:1rem 1.5rem;max-width:64rem}
nav ul{list-style:none;margin:0 0 1rem;padding:0;columns:20rem}
nav li,code,pre{font:14px/1.5 ui-monospace,monospace}
nav li{overflow-wrap:anywhere}
article{border-top:1px solid var(--line);padding:1rem 0}
h3 code{font-size:1rem;overflow-wrap:anywhere}
pre{background:var(--soft);padding:.75rem;overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid var(--line);padding:.3rem .6rem .3rem 0;text-align:left;
vertical-align:top}
td{overflow-wrap:anywhere}
summary{cursor:pointer}
@media(min-width:80rem){body{display:grid;grid-template-columns:24rem 1fr}
header{grid-column:1/-1}nav{position:sticky;top:0;height:100vh;overflow:auto}nav ul{columns:1}}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"public, max-age=300"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'".encode(),
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_SCHEMAS = "#/components/schemas/"
_CREDENTIALS = {
    "clientSecretBasic": ("-u", "$CLIENT_ID:$CLIENT_SECRET"),
    "accessToken": ("-H", "Authorization: Bearer $TOKEN"),
    "managementToken": ("-H", "Authorization: Bearer $TOKEN"),
    "initialAccessToken": ("-H", "Authorization: Bearer $TOKEN"),
    "registrationAccessToken": ("-H", "Authorization: Bearer $TOKEN"),
    "enrollmentTicket": ("-H", 'Authorization: Ticket id="$TICKET"'),
    "mailboxToken": ("-H", "Authorization: Mailbox $MAILBOX_TOKEN"),
    "deviceToken": ("-H", "Authorization: Bearer $DEVICE_TOKEN"),
    "transactionToken": ("-H", "Authorization: Bearer $TXTKN"),
    "mfaDpopTransactionToken": ("-H", "Authorization: MFA-DPoP $TXTKN"),
    "mfaDpopDeviceToken": ("-H", "Authorization: MFA-DPoP $DEVICE_TOKEN"),
}

Described = dict[str, Any]


def page(document: Described) -> bytes:
    operations = [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    tags = {
        tag["name"]: [it for it in operations if tag["name"] in it[2]["tags"]]
        for tag in document["tags"]
    }
    schemas = document["components"]["schemas"]
    info, base = document["info"], document["servers"][0]["url"]
    links = "".join(_tag_links(tag, members) for tag, members in tags.items())
    sections = "".join(
        f"<section><h2>{_text(tag)}</h2>"
        + "".join(_operation(*it, base=base, document=document) for it in members)
        + "</section>"
        for tag, members in tags.items()
    )
    about = "".join(f"<p>{_text(part)}</p>" for part in info["description"].split("\n\n"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_text(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        '<a class="skip" href="#operations">To the operations</a>'
        f"<header><h1>{_text(info['title'])} API</h1>{about}"
        f"<p>At <code>{_text(base)}</code>; the same for programs: "
        '<a href="/openapi.json">openapi.json</a>.</p></header>'
        f'<nav aria-label="Operations">{links}</nav>'
        f'<main id="operations">{sections}{_schemas(schemas)}</main></body></html>'
    ).encode()


def _text(value: object) -> str:
    return html.escape(str(value))


def _tag_links(tag: str, members: Iterable[tuple[str, str, Described]]) -> str:
    items = "".join(
        f'<li><a href="#{_text(it["operationId"])}">{method} {_text(path)}</a></li>'
        for method, path, it in members
    )
    return f"<h2>{_text(tag)}</h2><ul>{items}</ul>"


def _operation(method: str, path: str, it: Described, *, base: str, document: Described) -> str:
    anchor = _text(it["operationId"])
    needs = "; or ".join(_needed(alternative) for alternative in it.get("security", []))
    return (
        f'<article id="{anchor}"><h3><a href="#{anchor}"><code>{method} {_text(path)}</code></a>'
        f"</h3><p>{_text(it['summary'])}</p>"
        + (f"<p>{_text(it['description'])}</p>" if "description" in it else "")
        + (f"<p>Needs {needs}.</p>" if needs else "")
        + _parameters(it.get("parameters", []))
        + _body(it.get("requestBody"))
        + f"<h4>Try it</h4><pre>{_text(curl(method, path, it, base))}</pre>"
        + "<h4>Answers</h4>"
        + "".join(
            _response(status, _resolved(response, document), is_folded=status >= "400")
            for status, response in it["responses"].items()
        )
        + "</article>"
    )


def _needed(alternative: Mapping[str, list[str]]) -> str:
    """One of the alternatives of `security`; none are credentials in the body."""
    if not alternative:
        return "the same in the body"
    return " and ".join(
        f"<code>{_text(name)}</code>"
        + (f" with <code>{_text(' '.join(scopes))}</code>" if scopes else "")
        for name, scopes in alternative.items()
    )


def _resolved(it: Described, document: Described) -> Described:
    if "$ref" not in it:
        return it
    found: Described = document["components"]["responses"][it["$ref"].rpartition("/")[2]]
    return found


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """The cells are HTML."""
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _parameters(parameters: list[Described]) -> str:
    if not parameters:
        return ""
    return "<h4>Parameters</h4>" + _table(
        ("name", "in", "type", "what"),
        [
            (
                f"<code>{_text(it['name'])}</code>" + (" (required)" if it["required"] else ""),
                _text(it["in"]),
                _type(it["schema"]),
                _text(it["description"]),
            )
            for it in parameters
        ],
    )


def _body(body: Described | None) -> str:
    if body is None:
        return ""
    media_types = " or ".join(f"<code>{_text(name)}</code>" for name in body["content"])
    kinds = dict.fromkeys(_type(content["schema"]) for content in body["content"].values())
    return f"<h4>Body</h4><p>{' or '.join(kinds)} as {media_types}</p>"


def _response(status: str, response: Described, *, is_folded: bool) -> str:
    parts = []
    for media_type, content in response.get("content", {}).items():
        parts.append(f"<p><code>{_text(media_type)}</code> {_type(content['schema'])}</p>")
        examples = [it["value"] for it in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        parts += [f"<pre>{_json(example)}</pre>" for example in examples]
    title = f"{_text(status)} {_text(response['description'])}"
    if not is_folded or not parts:
        return f"<p><strong>{title}</strong></p>{''.join(parts)}"
    return f"<details><summary>{title}</summary>{''.join(parts)}</details>"


def _json(value: object) -> str:
    return _text(json.dumps(value, indent=2, ensure_ascii=False))


def curl(method: str, path: str, it: Described, base: str) -> str:
    """A line for a shell, with its variables for what is secret."""
    for parameter in it.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", _in_path(parameter["example"]))
    words = ["curl", "-X", method, shlex.quote(base + path)]
    for name in next(iter(it.get("security", [])), {}):
        option, value = _CREDENTIALS[name]
        words += [option, f'"{value.replace(chr(34), chr(92) + chr(34))}"']
    if "mfaDpop" in str(it.get("security", "")):
        words += ["-H", '"MFA-DPoP: $PROOF"']
    if body := it.get("requestBody"):
        media_type, content = next(iter(body["content"].items()))
        if media_type == "application/json":
            words += ["-H", "'Content-Type: application/json'"]
            words += ["-d", shlex.quote(json.dumps(content["example"]))]
        else:
            for name, value in content["example"].items():
                words += ["--data-urlencode", shlex.quote(f"{name}={value}")]
    return " ".join(words)


def _in_path(example: str) -> str:
    return example.replace("|", "%7C")


def _type(schema: Described) -> str:
    """HTML: what a value is, as a link where it is described elsewhere."""
    if "$ref" in schema:
        name = _text(schema["$ref"].removeprefix(_SCHEMAS))
        return f'<a href="#schema-{name}">{name}</a>'
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in schema:
            return " or ".join(_type(it) for it in schema[alternatives])
    if "enum" in schema:
        return " | ".join(f"<code>{_text(json.dumps(it))}</code>" for it in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"array of {_type(schema.get('items', {}))}"
    if kind == "object" and "properties" in schema:
        members = ", ".join(
            f"<code>{_text(name)}</code>: {_type(it)}" for name, it in schema["properties"].items()
        )
        return f"object ({members})"
    return _text(kind)


def _schemas(schemas: Mapping[str, Described]) -> str:
    return (
        "<section><h2>Bodies</h2>"
        + "".join(_schema(name, schema) for name, schema in sorted(schemas.items()))
        + "</section>"
    )


def _schema(name: str, schema: Described) -> str:
    required = schema.get("required", [])
    about = f"<p>{_text(schema['description'])}</p>" if "description" in schema else ""
    members = _table(
        ("member", "type", "what"),
        [
            (
                f"<code>{_text(member)}</code>" + (" (required)" if member in required else ""),
                _type(it),
                _said(it),
            )
            for member, it in schema.get("properties", {}).items()
        ],
    )
    anchor = f"schema-{_text(name)}"
    title = f'<h3><a href="#{anchor}">{_text(name)}</a></h3>'
    return f'<article id="{anchor}">{title}{about}{members}</article>'


def _said(schema: Described) -> str:
    """What a member's schema says besides its type."""
    said = [schema["description"]] if "description" in schema else []
    limits = {"minLength": "from", "maxLength": "up to", "minimum": "from", "maximum": "up to"}
    said += [f"{word} {schema[name]}" for name, word in limits.items() if name in schema]
    if schema.get("default") not in (None, "", [], {}):
        said.append(f"default {json.dumps(schema['default'])}")
    return _text("; ".join(said))
