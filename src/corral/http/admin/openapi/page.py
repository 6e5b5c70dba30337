"""The description as a page for people: one HTML document without scripts, that loads nothing from anywhere.

It says nothing of this installation, not even its version, so it needs no token: a browser could not send one.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

METHODS = ("get", "post", "put", "patch", "delete")

_templates = Environment(
    loader=PackageLoader("corral.http.admin.openapi"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STYLE: Final = Markup(_templates.get_template("reference.css").render())  # noqa: S704 - a file of this package
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

Schema = Mapping[str, Any]


def page(document: Mapping[str, Any]) -> bytes:
    """The page that shows this document."""
    groups: dict[str, list[tuple[str, str, Schema]]] = {each["name"]: [] for each in document["tags"]}
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                groups[operations[method]["tags"][0]].append((method.upper(), path, operations[method]))

    def response(given: Schema) -> Schema:
        return _named(given, document["components"]["responses"])

    def fields(schema: Schema) -> list[tuple[str, Schema, bool]]:
        return _fields(_named(schema, document["components"]["schemas"]))

    def said(schema: Schema) -> str:
        return _named(schema, document["components"]["schemas"]).get("description", "")

    shown = _templates.get_template("reference.html").render(
        document=document,
        style=_STYLE,
        groups=groups,
        sort=_sort,
        json=_json,
        response=response,
        fields=fields,
        prose=_prose,
        call=_call,
        said=said,
    )
    return shown.encode()


def _prose(text: str) -> Markup:
    """Text in which `this` is code, and a line without words ends a paragraph."""
    paragraphs = [" ".join(each.split()) for each in text.split("\n\n")]
    marked = (
        Markup("").join(
            Markup("<code>{}</code>").format(piece) if number % 2 else escape(piece)
            for number, piece in enumerate(paragraph.split("`"))
        )
        for paragraph in paragraphs
        if paragraph
    )
    return Markup("").join(Markup("<p>{}</p>").format(each) for each in marked)


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _call(base: str, method: str, path: str, operation: Schema) -> str:
    """How one asks for it in a shell, with what its parameters and its body have for example."""
    given = {each["name"]: str(each["example"]) for each in operation.get("parameters", []) if "example" in each}
    for name, value in given.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    words = ["curl"] + ([] if method == "GET" else ["--request", method])
    if operation.get("security") != []:
        words += ["--header", '"Authorization: Bearer $TOKEN"']
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in body:
        text = msgspec.json.encode(body["example"]).decode().replace("'", "'\\''")
        words += ["--header", "'Content-Type: application/json'", "--data", f"'{text}'"]
    return " ".join([*words, f'"$CORRAL{base}{path}"'])


def _named(given: Schema, components: Schema) -> Schema:
    """What is meant, where a reference may stand for it."""
    return components[given["$ref"].rpartition("/")[2]] if "$ref" in given else given


def _fields(schema: Schema) -> list[tuple[str, Schema, bool]]:
    """The properties of an object, with whether each is required."""
    required: list[str] = schema.get("required", [])
    return [(name, each, name in required) for name, each in schema.get("properties", {}).items()]


def _sort(schema: Schema) -> Markup:
    """What sort of value a schema is of, in words, with links to those that have a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return Markup(" or ").join(_sort(each) for each in schema[choice])
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(each) for each in schema["enum"])
    if "const" in schema:
        return Markup("<code>{}</code>").format(schema["const"])
    kinds = schema.get("type", "any value")
    if kinds == "array":
        items = schema.get("items")
        return Markup("list of {}").format(_sort(cast(Schema, items)) if items else "any value")
    if kinds == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return Markup("object of {}").format(_sort(schema["additionalProperties"]))
    word = " or ".join(cast(list[str], kinds)) if isinstance(kinds, list) else str(kinds)
    return Markup("{}{}").format(word, _limits(schema))


_LIMITS: Final = (
    ("format", "{}"),
    ("contentEncoding", "{}"),
    ("minimum", "from {}"),
    ("maximum", "to {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("pattern", "like {}"),
)


def _limits(schema: Schema) -> str:
    found = [text.format(schema[key]) for key, text in _LIMITS if key in schema]
    return f" ({', '.join(found)})" if found else ""
