"""A request is whole exactly with its last byte, in any division into pieces."""

from collections import deque

from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData
from gunicorn.http.parser import RequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from payment_service.server.extent import Extent

NAMES = st.sampled_from([b"X-A", b"Content-Type", b"content-lengthy", b"X-Content-Length", b"Te"])
VALUES = st.text("ab 0:;,=\"'", max_size=20).map(lambda text: text.strip().encode())
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=4, unique_by=lambda field: field[0])
TEXTS = st.binary(max_size=200) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"\n\n", b"GET / HTTP/1.1\r\n\r\n"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Return a well-formed request with a body by length, in chunks, or none."""
    fields = [b"%s: %s\r\n" % field for field in draw(FIELDS)]
    framing, body = b"", b""
    match draw(st.sampled_from(["none", "length", "chunks"])):
        case "length":
            body = draw(TEXTS)
            framing = draw(st.sampled_from([b"Content-Length: %d\r\n", b"content-length:%d \r\n"])) % len(body)
        case "chunks":
            framing = draw(st.sampled_from([b"Transfer-Encoding: chunked\r\n", b"TRANSFER-ENCODING:chunked\r\n"]))
            extension = draw(st.sampled_from([b"", b";a=b", b" ; a"]))
            sizes = draw(st.sampled_from([b"%x%s\r\n%s\r\n", b"0%X%s\r\n%s\r\n"]))
            body = b"".join(sizes % (len(text), extension, text) for text in draw(st.lists(TEXTS, max_size=3)) if text)
            body += draw(st.sampled_from([b"0\r\n\r\n", b"000\r\n\r\n", b"0\r\nX-Trailer: a\r\n\r\n"]))
    fields.insert(draw(st.integers(0, len(fields))), framing)
    return b"POST /payments HTTP/1.1\r\n" + b"".join(fields) + b"\r\n" + body


def whole_after(request: bytes, cuts: list[int]) -> int | None:
    """Return the number of bytes after which the request is whole, when its pieces end at these places."""
    extent, data = Extent(), bytearray()
    for begin, end in zip([0, *cuts], [*cuts, len(request)], strict=True):
        data += request[begin:end]
        if extent.is_whole(data):
            return len(data)
    return None


class Source:
    """A source for gunicorn's parser: all the bytes, then nothing."""

    def __init__(self, data: bytes) -> None:
        self.data = deque([data])

    def recv(self, _size: int) -> bytes:
        if not self.data:
            raise NoMoreData
        return self.data.popleft()


@settings(deadline=None)
@given(requests())
def test_request_is_complete_with_its_last_byte_and_not_before(request: bytes) -> None:
    assert whole_after(request, list(range(1, len(request)))) == len(request)


@settings(deadline=None)
@given(requests(), st.data())
def test_request_in_pieces_of_any_size_has_the_same_end(request: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(request) - 1), max_size=5)))

    assert whole_after(request, cuts) == len(request)


@settings(deadline=None)
@given(requests(), st.binary(max_size=30))
def test_parser_of_gunicorn_needs_no_further_byte(request: bytes, behind: bytes) -> None:
    parser = RequestParser(Config(), Source(request + behind), ("127.0.0.1", 1))
    parsed = next(parser)
    parsed.body.read()

    assert parser.finish_body()
    assert parser.unreader.take_buffered() == behind
