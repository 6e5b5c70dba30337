"""A day as four curves over its hours, in SVG that needs nothing but a browser."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from benchmarks.day.watching import Point

_WIDTH, _LEFT, _RIGHT, _TOP, _HEIGHT, _GAP = 900, 70, 150, 60, 130, 44
_COLORS: Final = ("#3a6ea5", "#c8803a", "#5a9e6f")


@dataclass(frozen=True, slots=True)
class _Curve:
    name: str
    of: Callable[[Point], float]


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    curves: tuple[_Curve, ...]


_PANELS: Final = (
    _Panel(
        "A real second",
        (_Curve("requests", lambda point: point.requests), _Curve("pushes", lambda point: point.pushes)),
    ),
    _Panel("Latency, ms", (_Curve("p50", lambda point: point.p50), _Curve("p99", lambda point: point.p99))),
    _Panel(
        "Memory, MB",
        (
            _Curve("service", lambda point: point.service / 1e6),
            _Curve("devices, one process", lambda point: point.herd / 1e6),
        ),
    ),
    _Panel("Database, MB", (_Curve("size", lambda point: point.database_size / 1e6),)),
)


def to_svg(title: str, points: Sequence[Point]) -> str:
    height = _TOP + len(_PANELS) * (_HEIGHT + _GAP)
    body = "\n".join(line for place, panel in enumerate(_PANELS) for line in _panel(panel, place, points))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" \
height="{height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="12" y="22" font-size="15">{escape(title)}</text>
{body}
</svg>
"""


def _panel(panel: _Panel, place: int, points: Sequence[Point]) -> Iterator[str]:
    top = _TOP + place * (_HEIGHT + _GAP)
    bottom, right = top + _HEIGHT, _WIDTH - _RIGHT
    most = _round_up(max((curve.of(point) for curve in panel.curves for point in points), default=1.0))
    yield f'<text x="{_LEFT}" y="{top - 8}" font-size="13">{escape(panel.title)}</text>'
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * _HEIGHT
        yield f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{most * share:,.6g}</text>'
    for hour in range(0, 25, 3):
        x = _x(hour)
        yield f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle" fill="#555">{hour}:00</text>'
    for number, curve in enumerate(panel.curves):
        color = _COLORS[number]
        path = " ".join(f"{_x(point.hour):.1f},{bottom - _HEIGHT * curve.of(point) / most:.1f}" for point in points)
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"/>'
        yield f'<text x="{right + 10}" y="{top + 14 + 18 * number}" fill="{color}">{escape(curve.name)}</text>'


def _x(hour: float) -> float:
    return _LEFT + (_WIDTH - _RIGHT - _LEFT) * hour / 24


def _round_up(value: float) -> float:
    """To a number that is easy to read."""
    step = 1.0
    while True:
        for nice in (1, 2, 4, 5, 6, 8):
            if value <= nice * step:
                return nice * step
        step *= 10
