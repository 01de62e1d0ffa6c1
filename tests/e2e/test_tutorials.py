"""A reader who follows the tutorials gets what they show: code, changes, programs and answers."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.examples import Reader, plain, unanswered
from tests.support.lesson import change, checkout, programs
from tests.support.markdown import document
from tests.support.ports import free_port, listens
from tests.support.processes import Service, environment
from tests.support.served import Served, served
from tests.support.waiting import wait_until

CHANNEL = document("docs/tutorials/add-a-channel.md")
GATEWAY = document("docs/tutorials/connect-a-gateway.md")
EVENT = document("docs/tutorials/receive-your-first-event.md")
BANKS_PORT, SECRET = "9300", "a-secret-of-theirs-and-ours"


def lint(tree: Path, name: str) -> str:
    """Return what ruff says about a file that a tutorial shows."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", name]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=tree).stdout


def test_the_channel_of_the_tutorial_answers_as_shown(tmp_path: Path) -> None:
    tree = checkout(tmp_path)
    module = tree / "payment_service" / "channels" / "parking.py"
    module.write_text("\n\n".join(programs(CHANNEL)))
    change(tree, CHANNEL)

    with served(tree, AUTH_OPEN_CHANNELS="trips,parking") as service:
        wrong = Reader(CHANNEL, service).surprises()

    assert wrong == [], "".join(wrong)
    assert unanswered(CHANNEL) == []
    assert "All checks passed" in lint(tree, str(module))


@contextmanager
def running_program(home: Path, name: str, code: str, **settings: str) -> Iterator[Service]:
    """Yield a program of a tutorial while it runs; `PORT` is among its settings."""
    (home / name).write_text(code)
    with closing(Service(sys.executable, str(home / name), settings=settings)) as program:
        wait_until(lambda: listens(int(settings["PORT"])), program.last_words, patience=20)
        yield program


def test_the_gateway_of_the_tutorial_answers_as_shown_and_passes_the_laws(tmp_path: Path) -> None:
    tree, port = checkout(tmp_path), str(free_port())
    bank, *adapter = programs(GATEWAY)
    module = tree / "payment_service" / "gateways" / "harbour.py"
    module.write_text("\n\n".join(adapter))
    change(tree, GATEWAY, BANKS_PORT, port)

    with running_program(tmp_path, "bank.py", bank, PORT=port):
        with served(tree, GATEWAY="harbour", HARBOUR_URL=f"http://127.0.0.1:{port}") as service:
            wrong = Reader(GATEWAY, service).surprises()
        laws = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts/test_gateway_laws.py"]
        judged = subprocess.run(
            [*laws, "-k", "harbour"], check=False, capture_output=True, text=True, cwd=tree, env=environment()
        )

    assert wrong == [], "".join(wrong)
    assert unanswered(GATEWAY) == []
    assert judged.returncode == 0, judged.stdout
    assert " passed" in judged.stdout
    assert "All checks passed" in lint(tree, str(module))


def handled(text: str) -> list[str]:
    """Return the receiver's lines about events, without its log of requests."""
    return [line for line in text.splitlines() if line.startswith(("new ", "known "))]


class ReaderWithAReceiver(Reader):
    """Follow the page; stop the receiver before the refund and start it again, as the page asks."""

    def __init__(self, service: Served, home: Path, port: str) -> None:
        super().__init__(EVENT, service)
        self._home, self._port = home, port
        self.printed: list[str] = []

    def _run(self, command: str) -> str:
        (code,) = programs(EVENT)
        answer = super()._run(command) if "refunds" in command else ""
        settings = {"PORT": self._port, "STORE": str(self._home / "receiver.db"), "WEBHOOK_SECRET": SECRET}
        with running_program(self._home, "receiver.py", code, **settings) as receiver:
            answer = answer or super()._run(command)
            expected = 2 if "replay" in command else 1
            wait_until(lambda: len(handled(receiver.log())) >= expected, receiver.last_words, patience=30)
            # An answer that the service has not seen is an event that it sends again.
            wait_until(self._all_are_delivered, receiver.last_words, patience=30)
            self.printed += handled(receiver.log())
        return answer

    def _all_are_delivered(self) -> bool:
        file = self._service.settings["DATABASE_URL"].removeprefix("sqlite:///")
        with closing(sqlite3.connect(file)) as connection:
            undelivered = connection.execute("SELECT count(*) FROM outbox_deliveries WHERE status <> 'DELIVERED'")
            return bool(undelivered.fetchone() == (0,))


def test_the_receiver_of_the_tutorial_gets_every_event_and_handles_none_twice(tmp_path: Path) -> None:
    port = str(free_port())
    settings = {"TRIP_NOTIFICATION_SERVICE_URL": f"http://127.0.0.1:{port}", "WEBHOOK_SECRET": SECRET}
    shown = [line for _, text in EVENT.blocks for line in handled(text)]

    with served(**settings) as service:
        reader = ReaderWithAReceiver(service, tmp_path, port)
        wrong = reader.surprises()

    assert wrong == [], "".join(wrong)
    assert unanswered(EVENT) == []
    assert plain("\n".join(reader.printed)) == plain("\n".join(shown))
