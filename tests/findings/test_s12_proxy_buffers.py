"""S12, in the proxy: it passes a response with a long token in its head."""

from contextlib import closing

import pytest
import requests

from tests.support.nginx import Nginx
from tests.support.scripted_server import scripted_server

LONGEST = 3800
"""Characters of the longest token that the operators' login takes."""


@pytest.mark.parametrize("length", [3700, LONGEST])
def test_s12_long_token_passes_the_proxy_in_both_directions(length: int) -> None:
    """In release 1.0.0 a token of 3,700 characters in a cookie was 502: the head was larger than nginx's buffer."""
    token = "t" * length
    others = b"".join(b"X-Other-%d: %s\r\n" % (number, b"o" * 60) for number in range(12))
    said = b"HTTP/1.1 303 SEE OTHER\r\nContent-Length: 0\r\nConnection: close\r\n" + others
    said += f"Set-Cookie: __Host-ops={token}; Secure; HttpOnly; Path=/; SameSite=Strict\r\n\r\n".encode()
    with scripted_server(said) as service, closing(Nginx(service.url.removeprefix("http://"))) as nginx:
        nginx.start()
        url = f"http://127.0.0.1:{nginx.port}/ops/login"
        sent = {"Authorization": f"Bearer {token}", "Cookie": f"__Host-ops={token}"}
        answer = requests.post(url, headers=sent, timeout=10, allow_redirects=False)

        assert (answer.status_code, token in answer.headers["Set-Cookie"]) == (303, True)
        (received,) = service.received
    assert received.count(token.encode()) == 2
