"""How the benchmark shows what it measured."""

import msgspec

from scripts.benchmark.figures import EndpointFigures, Figure, Spread, Target, TenantFigures
from scripts.benchmark.report import Report, as_json, table, text

REPORT = Report(
    machine="a machine",
    endpoints=[
        EndpointFigures("bare route", Spread(50, 48, 61), Spread(20_000, 1, 2), Spread(1, 1, 1)),
        EndpointFigures(
            "pending poll",
            Spread(80, 77, 88),
            Spread(12_000, 1, 2),
            Spread(1.61, 1.5, 1.7),
            Target(1.3),
        ),
    ],
    figures=[
        Figure("one worker", 759.4, "pushes/s", Target(500, most=False)),
        Figure("a wait", 5.25, "ms"),
    ],
)
TENANTS = Report(
    machine="a machine",
    endpoints=[],
    figures=[Figure("a user", 1_629.9, "bytes")],
    tenants=[
        TenantFigures(
            name="GET /users",
            small_cpu_us=600.4,
            large_cpu_us=630.2,
            cpu_ratio=Spread(1.05, 1.01, 1.09),
            small_wait_ms=1.0,
            large_wait_ms=1.4,
            wait_ratio=Spread(1.4, 1.3, 1.5),
            target=Target(1.3),
        )
    ],
)


def test_columns_are_aligned_the_first_to_the_left_and_the_others_to_the_right() -> None:
    assert table([("", "n"), ("long name", "1"), ("x", "100")]).splitlines() == [
        "             n",
        "long name    1",
        "x          100",
    ]


def test_every_figure_stands_beside_its_target_and_whether_it_is_met() -> None:
    lines = text(REPORT).splitlines()
    [poll] = [line for line in lines if line.startswith("pending poll")]
    assert poll.split() == [
        "pending",
        "poll",
        "80",
        "77-88",
        "12000",
        "1.61",
        "1.50-1.70",
        "<=",
        "1.3",
        "MISSED",
    ]
    [worker] = [line for line in lines if line.startswith("one worker")]
    assert worker.split() == ["one", "worker", "759", "pushes/s", ">=", "500", "met"]


def test_a_figure_without_a_target_is_not_judged() -> None:
    [wait] = [line for line in text(REPORT).splitlines() if line.startswith("a wait")]
    assert wait.split() == ["a", "wait", "5.25", "ms"]


def test_a_tenant_is_judged_by_the_worse_of_its_ratios() -> None:
    [users] = [line for line in text(TENANTS).splitlines() if line.startswith("GET /users")]
    ratios = ["600", "630", "1.05", "1.01-1.09", "1.00", "1.40", "1.40", "1.30-1.50"]
    assert users.split() == ["GET", "/users", *ratios, "<=", "1.3", "MISSED"]


def test_a_table_of_nothing_is_not_shown() -> None:
    assert "x bare" not in text(TENANTS)
    assert "large ms" not in text(REPORT)


def test_json_holds_what_the_table_was_made_of() -> None:
    for report in (REPORT, TENANTS):
        assert msgspec.json.decode(as_json(report), type=Report) == report
