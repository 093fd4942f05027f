"""Reasons that differ by a number are one reason."""

from __future__ import annotations

from backstep.trace.reasons import grouped


def test_numbers_that_differ_become_one_letter() -> None:
    reasons = {"57,600 entries, more than 16384": 5, "19200 entries, more than 16384": 3, "user code": 4}
    assert grouped(reasons) == [("N entries, more than 16384", 8), ("user code", 4)]


def test_a_number_that_is_always_the_same_stays() -> None:
    assert grouped({"9 entries": 2}) == [("9 entries", 2)]
    assert grouped({}) == []


def test_equal_counts_are_in_the_order_of_the_alphabet() -> None:
    assert grouped({"b": 1, "a": 1, "c": 2}) == [("c", 2), ("a", 1), ("b", 1)]
