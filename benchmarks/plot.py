"""The rows of a report as bars, and curves, in SVG that needs nothing but a browser."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from benchmarks.report import Report, Row

_COLORS: Final = {"header": "#3a6ea5", "signature": "#c8803a"}
_WIDTH, _LABEL, _BAR, _GAP, _TOP = 820, 260, 18, 7, 64


def bars(report: Report) -> str:
    """A bar for each row: as long as its share of the bare route, and its figures beside it."""
    most = max((row.ratio for row in report.rows), default=1.0)
    height = _TOP + len(report.rows) * (_BAR + _GAP) + 12
    body = "\n".join(line for place, row in enumerate(report.rows) for line in _bar(row, place, most))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" \
height="{height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="12" y="22" font-size="15">Requests a second as a share of the bare route</text>
<text x="12" y="42" fill="#555">{escape(report.machine)}, {report.database}, \
{report.devices} connections, {report.clients} clients, {report.at:%Y-%m-%d}</text>
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


@dataclass(frozen=True, slots=True)
class Series:
    """A curve: its name and its points, from left to right."""

    name: str
    points: Sequence[tuple[float, float]]


_CURVES: Final = ("#3a6ea5", "#c8803a", "#4f9d69", "#8d5aa8")
_HEIGHT, _LEFT, _RIGHT, _HEAD, _FOOT = 340, 74, 150, 48, 40


def lines(title: str, series: Sequence[Series]) -> str:
    """Curves over a logarithmic axis; the other one begins at 0."""
    across = sorted({x for each in series for x, _ in each.points})
    top = _round_up(max((y for each in series for _, y in each.points), default=1.0))
    low, span = math.log(across[0]), math.log(across[-1] / across[0]) or 1.0
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _HEAD - _FOOT

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + wide * (math.log(x) - low) / span, _HEAD + high * (1 - y / top)

    parts: list[str] = []
    for step in range(5):
        value = top * step / 4
        _, y = place(across[0], value)
        parts.append(f'<path d="M{_LEFT} {y:.1f}h{wide}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,.{0 if top >= 8 else 1}f}</text>'
        )
    for x in across:
        at, _ = place(x, 0)
        parts.append(f'<text x="{at:.1f}" y="{_HEIGHT - _FOOT + 18}" text-anchor="middle">{x:,.0f}</text>')
    for number, each in enumerate(series):
        color = _CURVES[number % len(_CURVES)]
        corners = [place(x, y) for x, y in each.points]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in corners]
        at = _HEAD + 12 + 18 * number
        parts.append(f'<text x="{_WIDTH - _RIGHT + 12}" y="{at}" fill="{color}">{escape(each.name)}</text>')
    body = "\n".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" \
height="{_HEIGHT}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="12" y="24" font-size="15">{escape(title)}</text>
{body}
</svg>
"""


def _round_up(value: float) -> float:
    """To 1, 2, 4 or 8 times a power of ten, so that quarters of it read well."""
    unit = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next((unit * step for step in (1, 2, 4, 8) if unit * step >= value), unit * 10)
