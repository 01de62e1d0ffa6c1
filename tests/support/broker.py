"""RabbitMQ for tests: the broker that is there, one of our own that may be stopped and killed, and an attentive ear."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import pika
from pika.exceptions import AMQPError

from tests.support.events import Arrival
from tests.support.missing import is_missing
from tests.support.ports import free_port, listens
from tests.support.waiting import wait_until

PORT = 5672
"""The port of a broker on the machine, if there is one, and guest may enter."""

SERVERS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/sbin/rabbitmq-server", "/usr/local/sbin/rabbitmq-server")
"""Debian's command in /usr/sbin changes the user and the directory; the one it calls does neither."""

WATCH = """
home=$1; shift
"$@" >>"$home/output" 2>&1 &
program=$!
read -r signal || signal=GONE
if [ "$signal" = GONE ]; then kill -s KILL "$program"; else kill -s "$signal" "$program"; fi
wait "$program"
if [ "$signal" = GONE ]; then rm -rf "$home"; fi
exit 0
"""
"""A shell that ends the program on our signal, or when this process is gone, by any death."""


def no_broker(what: str) -> None:
    """Say aloud what cannot be tested: a skip, and a failure under CI=true."""
    is_missing(f"RABBITMQ IS MISSING: {what} (apt-get install rabbitmq-server)")


def broker_of_the_machine() -> int | None:
    """Return the port of the broker that is there already, None without one."""
    try:
        connect(PORT).close()
    except AMQPError:
        return None
    return PORT


def connect(port: int) -> pika.BlockingConnection:
    """Return a connection of a test's own."""
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0, socket_timeout=5))


class Broker:
    """A broker of our own: its node name, ports and directories are unique, and it listens on loopback only."""

    def __init__(self) -> None:
        found = next((path for path in SERVERS if Path(path).exists()), None) or shutil.which("rabbitmq-server")
        if found is None:
            no_broker("nothing was published to a real broker, and none was stopped or killed")
        self._program = str(found)
        self.home = Path(tempfile.mkdtemp(prefix="broker-", dir="/tmp"))
        self.port = free_port()
        ports = {"name server": free_port(), "distribution": free_port()}
        self._environment = self._prepare(ports)
        self._names = self._watched("epmd", "-port", str(ports["name server"]), "-address", "127.0.0.1")
        self._server: subprocess.Popen[str] | None = None

    def _prepare(self, ports: dict[str, int]) -> dict[str, str]:
        (self.home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console = false\ndisk_free_limit.absolute = 10MB\n"
        )
        (self.home / "enabled_plugins").write_text("[].")
        return {
            "PATH": os.environ.get("PATH", "") + ":/usr/lib/rabbitmq/bin:/usr/sbin",
            "HOME": str(self.home),  # the home of Erlang's cookie
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(ports["name server"]),
            "ERL_CRASH_DUMP": "/dev/null",
            "RABBITMQ_NODENAME": f"test-{os.getpid()}@localhost",
            "RABBITMQ_DIST_PORT": str(ports["distribution"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            # The script becomes the server instead of starting one: signals reach it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def start(self) -> None:
        """Start and wait until it takes connections."""
        self._server = self._watched(self._program)
        wait_until(self._answers, self._said, patience=120)

    def stop(self) -> None:
        """Shut it down as an administrator would."""
        self._end("TERM")

    def kill(self) -> None:
        """Kill it in the middle of its work."""
        self._end("KILL")

    def close(self) -> None:
        """Be done with it, and leave nothing behind."""
        if self._server is not None:
            self.kill()
        self._names.communicate("KILL\n", timeout=10)
        shutil.rmtree(self.home, ignore_errors=True)

    def _watched(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", "-c", WATCH, "watch", str(self.home), *command],
            cwd=self.home,
            env=self._environment,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # here the shell would report the process it killed
            text=True,
            start_new_session=True,
        )

    def _end(self, how: str) -> None:
        assert self._server is not None, "the broker does not run"
        server, self._server = self._server, None
        server.communicate(f"{how}\n", timeout=60)

    def _said(self) -> str:
        output = self.home / "output"
        return output.read_text() if output.exists() else ""

    def _answers(self) -> bool:
        said = self._said()
        assert "BOOT FAILED" not in said, said
        if not listens(self.port):
            return False
        try:
            connect(self.port).close()
        except AMQPError:
            return False
        return True


class Ear:
    """A durable queue bound to an exchange of the test's own, emptied by hand.

    `bind` and `unbind` may come and go while events are published. Closing removes queue and exchange.
    """

    def __init__(self, port: int, exchange: str) -> None:
        self.port = port
        self.exchange = self.queue = exchange
        self.messages: list[tuple[pika.BasicProperties, str, bytes]] = []
        self._lock = threading.Lock()
        with connect(port) as connection:
            channel = connection.channel()
            channel.exchange_declare(exchange, "topic", durable=True)
            channel.queue_declare(self.queue, durable=True)

    def bind(self, *keys: str) -> "Ear":
        """Let the queue take what is published under these keys; everything without one."""
        self._on_channel(lambda channel: [channel.queue_bind(self.queue, self.exchange, key) for key in keys or "#"])
        return self

    def unbind(self) -> None:
        """Let the queue take nothing any more."""
        self._on_channel(lambda channel: channel.queue_unbind(self.queue, self.exchange, "#"))

    def delete_exchange(self) -> None:
        """Remove the exchange under the publisher's feet."""
        self._on_channel(lambda channel: channel.exchange_delete(self.exchange))

    def bind_again(self) -> None:
        """Make the exchange where it is missing, and let the queue take everything of it."""
        self._on_channel(lambda channel: channel.exchange_declare(self.exchange, "topic", durable=True))
        self.bind()

    def bodies(self) -> list[bytes]:
        """Return everything that has arrived so far, in order; with its properties and keys it is in `messages`."""

        def empty(channel: Any) -> None:
            while True:
                method, properties, body = channel.basic_get(self.queue, auto_ack=True)
                if method is None:
                    return
                self.messages.append((properties, method.routing_key, body))

        self._on_channel(empty)
        return [body for _, _, body in self.messages]

    def listen(self) -> list[Arrival]:
        """Return the events among what has arrived so far, in order."""
        self.bodies()
        found = []
        for properties, _, body in self.messages:
            data = json.loads(body)["data"]
            version = json.loads(body)["version"]
            found.append(Arrival(str(properties.message_id), data["payment_id"], version, body))
        return found

    def close(self) -> None:
        """Leave nothing behind."""
        self._on_channel(lambda channel: (channel.queue_delete(self.queue), channel.exchange_delete(self.exchange)))

    def _on_channel(self, work: Any) -> None:
        with self._lock, connect(self.port) as connection:
            work(connection.channel())
