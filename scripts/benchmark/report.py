"""
Figures as an aligned table for people, and as JSON for programs.

Pure: text and bytes from values.
"""

from collections.abc import Sequence

import msgspec

from scripts.benchmark.figures import EndpointFigures, Figure, Spread, Target, TenantFigures

_ENDPOINT_HEADINGS = ("", "CPU µs", "least-most", "req/s", "x bare", "least-most", "target", "")
_TENANT_HEADINGS = (
    "",
    "small µs",
    "large µs",
    "ratio",
    "least-most",
    "small ms",
    "large ms",
    "ratio",
    "least-most",
    "target",
    "",
)
_FIGURE_HEADINGS = ("", "measured", "target", "")


class Report(msgspec.Struct, frozen=True):
    machine: str
    endpoints: list[EndpointFigures]
    figures: list[Figure]
    tenants: list[TenantFigures] = []


def text(report: Report) -> str:
    parts = [report.machine]
    if report.endpoints:
        parts.append(table([_ENDPOINT_HEADINGS, *map(_endpoint_row, report.endpoints)]))
    if report.tenants:
        parts.append(table([_TENANT_HEADINGS, *map(_tenant_row, report.tenants)]))
    parts.append(table([_FIGURE_HEADINGS, *map(_figure_row, report.figures)]))
    return "\n\n".join(parts) + "\n"


def as_json(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join([first, *others]).rstrip())
    return "\n".join(lines)


def _endpoint_row(figures: EndpointFigures) -> tuple[str, ...]:
    return (
        figures.name,
        f"{figures.cpu_us.median:.0f}",
        _extremes(figures.cpu_us, 0),
        f"{figures.per_second.median:.0f}",
        f"{figures.ratio.median:.2f}",
        _extremes(figures.ratio, 2),
        *_judged(figures.target, figures.ratio.median),
    )


def _tenant_row(figures: TenantFigures) -> tuple[str, ...]:
    return (
        figures.name,
        f"{figures.small_cpu_us:.0f}",
        f"{figures.large_cpu_us:.0f}",
        f"{figures.cpu_ratio.median:.2f}",
        _extremes(figures.cpu_ratio, 2),
        f"{figures.small_wait_ms:.2f}",
        f"{figures.large_wait_ms:.2f}",
        f"{figures.wait_ratio.median:.2f}",
        _extremes(figures.wait_ratio, 2),
        *_judged(figures.target, figures.worst),
    )


def _figure_row(figure: Figure) -> tuple[str, ...]:
    digits = 2 if figure.value < 10 else 0  # noqa: PLR2004 - two digits are enough of any figure
    measured = f"{figure.value:,.{digits}f} {figure.unit}".rstrip()
    return (figure.name, measured, *_judged(figure.target, figure.value))


def _extremes(values: Spread, digits: int) -> str:
    return f"{values.least:.{digits}f}-{values.most:.{digits}f}"


def _judged(target: Target | None, value: float) -> tuple[str, str]:
    if target is None:
        return "", ""
    sign = "<=" if target.most else ">="
    return f"{sign} {target.bound:,g}", "met" if target.is_met(value) else "MISSED"
