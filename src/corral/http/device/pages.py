"""Pages for people before a device: HTML that loads nothing from anywhere."""

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.responses import HTMLResponse, Response

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_templates = Environment(loader=PackageLoader("corral.http.device"), autoescape=select_autoescape())


def page(status: int, template: str, headers: dict[str, str] | None = None, **values: str) -> Response:
    body = _templates.get_template(template).render(values)
    return HTMLResponse(body, status, headers=HEADERS | (headers or {}))


def unavailable() -> Response:
    reason = "The service cannot answer just now. Try again in a minute."
    return page(503, "closed.html", {"retry-after": "30"}, title="One moment", reason=reason)
