"""How far one request reaches, judged as it arrives. It decides when gunicorn's parser may begin, and nothing else.

Whatever the judgement, the parser gets exactly the bytes that came, and it alone says what they mean. A request that
this module takes for whole too early ends in a refusal, never in a thread that waits.
"""

import re

MOST_HEAD = 64 * 1024
MOST_BODY = 257 * 1024
"""Bytes that are collected of one request: a little more than the largest that the service takes, a gateway's notice.
Of a larger one the head is enough to refuse it."""

_HEAD_END = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r?\n")
_CONTINUE = re.compile(rb"\nexpect:[ \t]*100-continue[ \t]*\r?\n")
_CHUNK_SIZE = re.compile(rb"([0-9a-f]{1,16})[ \t]*(?:;|\Z)", re.IGNORECASE)
_LONGEST_SIZE_LINE = 8190


class Extent:
    """The extent of one request. `is_whole` is asked after each piece, and looks only at what is new."""

    def __init__(self) -> None:
        self._looked = 0
        self._body: int | None = None
        """Where the body begins, once the head is whole."""
        self._length = 0
        self._chunk: int | None = None
        """Where the next size of a chunk stands, in a chunked body."""
        self.expects_continue = False

    def is_whole(self, data: bytearray) -> bool:
        """Whether `data`, all that came since the request began, is enough for the parser."""
        if self._body is None and not self._read_head(data):
            return len(data) > MOST_HEAD
        body = self._body or 0
        if self._chunk is not None:
            return self._has_last_chunk(data, self._chunk) or len(data) - body > MOST_BODY
        return self._length > MOST_BODY or len(data) - body >= self._length

    def _read_head(self, data: bytearray) -> bool:
        end = _HEAD_END.search(data, max(0, self._looked - 2))
        self._looked = len(data)
        if end is None:
            return False
        self._body = end.end()
        head = bytes(data[: self._body]).lower()
        if b"\ntransfer-encoding:" in head:
            self._chunk = self._body
        elif length := _LENGTH.search(head):
            self._length = int(length[1])
        first, _, fields = head.partition(b"\r")
        if b"\nexpect:" in fields and first.endswith(b" http/1.1"):
            self.expects_continue = _CONTINUE.search(fields) is not None
        return True

    def _has_last_chunk(self, data: bytearray, at: int) -> bool:
        """Walk the sizes. What is no size is the parser's to refuse: no more of it is needed."""
        while at <= len(data):
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            size = _CHUNK_SIZE.match(data[at:end])
            if size is None:
                return True
            length = int(size[1], 16)
            if not length:
                return data.startswith(b"\r\n", end + 2) or data.find(b"\r\n\r\n", end) >= 0
            at = end + 2 + length + 2
        self._chunk = at
        return len(data) - at > _LONGEST_SIZE_LINE
