"""The rows of a report as bars, in SVG that needs nothing but a browser."""

from collections.abc import Iterator
from html import escape
from typing import Final

from benchmarks.report import Report, Row

_COLORS: Final = {"header": "#3a6ea5", "signature": "#c8803a"}
_WIDTH, _LABEL, _BAR, _GAP, _TOP = 820, 260, 18, 7, 64


def to_svg(report: Report) -> str:
    """A bar for each row: as long as its share of the bare route, and its figures beside it."""
    most = max((row.ratio for row in report.rows), default=1.0)
    height = _TOP + len(report.rows) * (_BAR + _GAP) + 12
    body = "\n".join(line for place, row in enumerate(report.rows) for line in _bar(row, place, most))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" \
height="{height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="12" y="22" font-size="15">Requests a second as a share of the bare route</text>
<text x="12" y="42" fill="#555">{escape(report.machine)}, {report.devices} connections, {report.clients} clients, \
{report.at:%Y-%m-%d}</text>
{body}
</svg>
"""


def _bar(row: Row, place: int, most: float) -> Iterator[str]:
    measured = row.measured
    y = _TOP + place * (_BAR + _GAP)
    length = (_WIDTH - _LABEL - 230) * row.ratio / most
    color = _COLORS.get(measured.proof, "#777")
    middle = y + _BAR - 5
    figures = f"{row.ratio:.2f}: {measured.rate:,.0f}/s, p99 {measured.percentile(99):.0f} ms"
    yield f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{escape(measured.work)}, {measured.proof}</text>'
    yield f'<rect x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{color}"/>'
    yield f'<text x="{_LABEL + length + 8:.1f}" y="{middle}" fill="#333">{figures}</text>'
