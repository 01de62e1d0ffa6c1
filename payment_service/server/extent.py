"""Finds the end of one request while it arrives. This only decides when gunicorn's parser may begin.

The parser always gets exactly the received bytes, and it alone interprets them. If this module takes a request for
complete too early, the parser refuses it; no thread waits.
"""

import re

MOST_HEAD = 64 * 1024
MOST_BODY = 257 * 1024
"""The most bytes of one request that are collected: a little more than the largest that the service takes, a gateway's
notice. To refuse a larger one, the head is enough.
"""

_HEAD_END = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r?\n")
_CONTINUE = re.compile(rb"\nexpect:[ \t]*100-continue[ \t]*\r?\n")
_CHUNK_SIZE = re.compile(rb"([0-9a-f]{1,16})[ \t]*(?:;|\Z)", re.IGNORECASE)
_LONGEST_SIZE_LINE = 8190


class Extent:
    """The extent of one request. Call `is_whole` after each piece; it reads only the new part."""

    def __init__(self) -> None:
        self._looked = 0
        self._body: int | None = None
        """The position of the body, once the head is complete."""
        self._length = 0
        self._chunk: int | None = None
        """The position of the next chunk size, in a chunked body."""
        self.expects_continue = False

    def is_whole(self, data: bytearray) -> bool:
        """Return True if `data`, all bytes since the request began, is enough for the parser."""
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
        """Read the sizes. At an invalid size the parser needs no more data to refuse the request."""
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
