"""How a measured middle is told."""

from __future__ import annotations

from bench import report
from bench.report import Figure


def test_the_middle_of_a_hundred_lies_between_the_fortieth_and_the_sixty_first() -> None:
    assert report.around_the_middle([float(value) for value in range(100, 0, -1)]) == (40, 61)


def test_the_middle_of_ten_lies_between_the_second_and_the_ninth() -> None:
    assert report.around_the_middle([float(value) for value in range(1, 11)]) == (2, 9)


def test_of_a_single_value_that_value_is_all_that_is_known() -> None:
    assert report.around_the_middle([3.5]) == (3.5, 3.5)


def test_the_table_says_how_certain_a_middle_is() -> None:
    figure = Figure(name="added", ours=6.0, unit="ms", at_most=10, within=(4.0, 8.25))

    lines = report.table([figure]).splitlines()

    assert "6.00 ms (4.00 to 8.25)" in lines[1]
    assert lines[1].endswith("reached")
