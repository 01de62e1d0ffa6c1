"""Ids are random, of the requested length, and different in a forked child."""

import os
from uuid import RFC_4122

import pytest

from payment_service import clock

MANY = 1000


def test_ids_are_unique_random_uuids() -> None:
    ids = [clock.new_id() for _ in range(MANY)]
    assert len(set(ids)) == MANY
    assert {(each.version, each.variant) for each in ids} == {(4, RFC_4122)}


@pytest.mark.parametrize("digits", [1, 8, 31, 32, 64, 5000])
def test_hexadecimal_id_has_the_requested_number_of_digits(digits: int) -> None:
    first, second = clock.new_hex(digits), clock.new_hex(digits)
    assert len(first) == len(second) == digits
    assert int(first, 16) >= 0
    assert digits < 8 or first != second


def test_forked_process_draws_other_ids_than_its_parent() -> None:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, clock.new_hex(32).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        assert pipe.read() != clock.new_hex(32)
