"""The HTTP gateway maps failed connections and malformed replies to the right gateway results."""

import json
import socket
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from payment_service.domain.errors import GatewayUnavailable
from payment_service.gateways.base import Approved, NotSent, Unknown
from payment_service.gateways.remote import RemoteGateway
from payment_service.gateways.transport import BODY_LIMIT
from tests.support.instructions import gateway_at, instruct
from tests.support.scripted_server import scripted_server

APPROVAL = {"kind": "charge", "status": "approved", "amount": "150.00", "currency": "USD"}


def http(body: bytes, head: str = "HTTP/1.1 200 OK") -> bytes:
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_host_without_an_address_counts_as_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_address(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    with closing(gateway_at("http://bank.invalid")) as gateway:
        assert isinstance(gateway.send(instruct()), NotSent)


def test_failed_connection_counts_as_not_sent() -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        with closing(gateway_at(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.2)) as gateway:
            assert isinstance(gateway.send(instruct()), NotSent)


def test_failed_tls_handshake_is_unknown() -> None:
    with (
        scripted_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server,
        closing(gateway_at(server.url.replace("http://", "https://"))) as gateway,
    ):
        assert gateway.send(instruct()) == Unknown("the connection to the gateway broke")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{",
        http(b"{}", "HTTP/1.1 100 Continue"),
        http(b"", "HTTP/1.1 204 No Content"),
        http(b"{}", "HTTP/1.1 999 ?"),
    ],
)
def test_unreadable_answer_is_unknown_and_raises_nothing(said: bytes) -> None:
    with scripted_server(said) as server:
        with closing(gateway_at(server.url)) as gateway:
            assert isinstance(gateway.send(instruct()), Unknown)
        with closing(gateway_at(server.url)) as gateway:
            assert isinstance(gateway.lookup(instruct()), Unknown)
        assert server.accepted == 2, "what may have been sent must not be sent again by itself"


@pytest.mark.parametrize(
    "answer",
    [
        http(json.dumps(APPROVAL | {"gateway_key": "v1-asked"}).encode()),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50,
    ],
)
def test_dripping_answer_has_the_same_time_limit_as_any_other(answer: bytes) -> None:
    with scripted_server(answer, pause=0.05) as server, closing(gateway_at(server.url, read_timeout=0.3)) as gateway:
        begun = time.monotonic()
        assert isinstance(gateway.send(instruct(gateway_key="v1-asked")), Unknown)
        assert time.monotonic() - begun < len(answer) * 0.05 / 2


def test_reset_after_the_request_is_unknown() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def reset() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        # Lingering for no time makes close() a reset instead of a farewell.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()

    thread = threading.Thread(target=reset)
    thread.start()
    with listener, closing(gateway_at(f"http://127.0.0.1:{listener.getsockname()[1]}")) as gateway:
        assert isinstance(gateway.send(instruct()), Unknown)
        thread.join()


def test_redirects_and_proxies_of_the_environment_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(b"") as elsewhere:
        redirect = http(b"", f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere.url}/")
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password something")
        monkeypatch.setenv("NETRC", str(netrc))
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, elsewhere.url)
        with scripted_server(redirect) as server, closing(gateway_at(server.url)) as gateway:
            assert isinstance(gateway.send(instruct()), Unknown)
            assert b"authorization" not in server.received[0].lower()
        assert elsewhere.accepted == 0


@pytest.mark.parametrize("url", ["", "ftp://bank", "bank:8080", "http://", "http://user:word@bank", "http://bank/?a=b"])
def test_unfit_url_raises_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="gateway's URL"):
        RemoteGateway(url)


def test_endless_answer_is_not_read_to_its_end() -> None:
    approval = json.dumps(APPROVAL | {"gateway_key": "v1-asked"}).encode()
    with (
        scripted_server(
            http(approval + b" " * (BODY_LIMIT - len(approval))), http(approval + b" " * BODY_LIMIT)
        ) as server,
        closing(gateway_at(server.url)) as gateway,
    ):
        assert isinstance(gateway.send(instruct(gateway_key="v1-asked")), Approved)
        assert isinstance(gateway.lookup(instruct(gateway_key="v1-asked")), Unknown)


def test_answer_to_another_request_is_unknown() -> None:
    mine, other = instruct(), instruct()
    answers = [http(json.dumps(APPROVAL | {"gateway_key": each.gateway_key}).encode()) for each in (mine, other)]
    with scripted_server(*answers) as server, closing(gateway_at(server.url)) as gateway:
        assert isinstance(gateway.send(mine), Approved)
        assert isinstance(gateway.send(mine), Unknown)


def test_unreadable_ledger_raises() -> None:
    with (
        scripted_server(http(b'{"effects": []')) as server,
        closing(gateway_at(server.url)) as gateway,
        pytest.raises(GatewayUnavailable),
    ):
        list(gateway.ledger(None, None))
