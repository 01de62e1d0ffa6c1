"""No id is given twice: not to two threads, and not to a process and its child, which begins as its copy."""

import os
import threading
from uuid import RFC_4122

import pytest

from payment_service import clock

MANY = 1000  # more than is drawn at once


def test_ids_are_random_uuids_and_none_comes_twice() -> None:
    ids = [clock.new_id() for _ in range(MANY)]
    assert len(set(ids)) == MANY
    assert {(each.version, each.variant) for each in ids} == {(4, RFC_4122)}


@pytest.mark.parametrize("digits", [1, 8, 31, 32, 64, 5000])
def test_hexadecimal_digits_are_as_many_as_asked_for(digits: int) -> None:
    first, second = clock.new_hex(digits), clock.new_hex(digits)
    assert len(first) == len(second) == digits
    assert int(first, 16) >= 0
    assert digits < 8 or first != second


def test_threads_get_ids_of_their_own() -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.extend([clock.new_hex(32) for _ in range(MANY)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 4 * MANY


def of_a_child() -> str:
    """The next digits that a child of this process draws."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, clock.new_hex(32).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        return pipe.read()


def test_a_child_gets_ids_of_its_own_whichever_thread_it_was_made_by() -> None:
    found: list[str] = []

    def parent() -> None:
        clock.new_id()  # something is drawn ahead by now
        found.extend([of_a_child(), of_a_child(), clock.new_hex(32)])

    parent()
    thread = threading.Thread(target=parent)
    thread.start()
    thread.join()
    assert len(set(found)) == len(found) == 6
