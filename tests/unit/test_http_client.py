import io
import socket
from unittest.mock import patch

import pytest

from payment_service import clock
from payment_service.http_client import DeadlineReader


def test_deadline_covers_all_packets_of_an_answer() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb", buffering=0) as raw, patch.object(clock, "monotonic") as monotonic:
        monotonic.return_value = 100.0
        with io.BufferedReader(DeadlineReader(raw, ours, seconds=5.0)) as reader:
            monotonic.return_value = 102.0
            theirs.sendall(b"one\n")
            assert reader.readline() == b"one\n"
            assert ours.gettimeout() == pytest.approx(3.0)
            monotonic.return_value = 105.0
            theirs.sendall(b"two\n")
            with pytest.raises(TimeoutError):
                reader.readline()
