"""Asking another service, within bounds of size and time whatever it says."""

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from payment_service import clock


def fetch(session: requests.Session, url: str, *, connect: float, read: float, most_bytes: int) -> tuple[int, bytes]:
    """GET `url`: the status and the body as they are; no redirect is followed and nothing is unpacked.

    `connect` and `read` are seconds: to wait for the connection, and for whatever comes next over it. Raises
    requests.Timeout for a body that is longer than `most_bytes` or still coming after `read`, other RequestExceptions
    for what goes wrong on the way.
    """
    deadline = clock.monotonic() + read
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    body = b""
    with session.get(url, timeout=(connect, read), allow_redirects=False, stream=True, headers=headers) as response:
        try:
            while part := response.raw.read1(most_bytes):
                body += part
                if len(body) > most_bytes or clock.monotonic() > deadline:
                    raise requests.Timeout("the answer is too long or too slow")
        except ReadTimeoutError as error:
            raise requests.ReadTimeout(error) from error
        except HTTPError as error:
            raise requests.ConnectionError(error) from error
        return response.status_code, body
