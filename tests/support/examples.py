"""The examples of a document: commands with the answers shown below them, and a reader who follows them."""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.markdown import Document
from tests.support.processes import environment
from tests.support.served import Served

SHOWN_AT = "http://127.0.0.1:8082"
"""The service's address in the documents."""

_EXAMPLE = re.compile(r"^```bash\n([^`]+)\n```\n\n```(?:http|text)\n([^`]+)\n```$", re.MULTILINE)
_HARMLESS = re.compile(r"curl |([A-Z]+=\w+ )?\.venv/bin/flask ")
_VARIABLE = re.compile(r"[A-Z]+=\$\(\.venv/bin/python -c ")
"""The beginnings that an example may have: no other command is ever run."""

_ID = re.compile(r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|txn_[0-9a-f]{16}|TXN\d{10})\b")
_VARIES = {
    r'"url":"http://127\.0\.0\.1:\d+/3ds/pi_[0-9a-f]+"': '"url":"<the page of the customer\'s bank>"',
    r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\b": "<moment>",
    r"\bPAY-\d{8}-": "PAY-<day>-",
    _ID.pattern: "<id>",
    r"\b(TXN-[0-9A-F]{12}|pi_[0-9a-f]{24}|re_[0-9a-f]{16}|REF[0-9A-Z]{12})\b": "<reference>",
    r'"authorization_code":"[0-9A-Z]{6}"': '"authorization_code":"<code>"',
}
"""Values that differ each time. Payments' numbers are not: the database is empty, as the documents say."""


def examples(doc: Document) -> list[tuple[str, str]]:
    """Commands, each with the answer that is shown below it."""
    return _EXAMPLE.findall(doc.text)


def preparations(doc: Document) -> list[str]:
    """Return the commands that only set a variable of the reader's shell."""
    return [text.rstrip("\n") for word, text in doc.blocks if word == "bash" and _VARIABLE.match(text)]


def unanswered(doc: Document) -> list[str]:
    """Commands for the reader to run below which no answer is shown."""
    blocks = [text.rstrip("\n") for word, text in doc.blocks if word == "bash"]
    known = {command for command, _ in examples(doc)} | set(preparations(doc))
    return [block for block in blocks if block not in known and "make run" not in block]


class Reader:
    """Follows a document from top to bottom, and puts the ids they get in place of those that are shown."""

    def __init__(self, doc: Document, service: Served) -> None:
        self._doc = doc
        self._service = service
        self._ids: dict[str, str] = {}

    def surprises(self) -> list[str]:
        """Return a reader's report: the examples with answers that are not as shown."""
        wrong = []
        for command, answer in examples(self._doc):
            real = self._run(command)
            if lines := _missing(plain(answer), plain(real)):
                wrong.append("\n".join(["", command, "It is shown:", *lines, "It answered:", *plain(real)]))
            self._learn(answer, real)
        return wrong

    def _run(self, command: str) -> str:
        """Return a reader's output, standard error included."""
        assert _HARMLESS.match(command), command
        typed = _ID.sub(lambda shown: self._ids.get(shown[0], shown[0]), command)
        adapted = "\n".join([*preparations(self._doc), typed]).replace(SHOWN_AT, self._service.url)
        done = subprocess.run(  # noqa: S602 - a shell is what a reader types into
            adapted.replace(".venv/bin/", f"{Path(sys.executable).parent}/"),
            check=False,
            shell=True,
            capture_output=True,
            text=True,
            cwd=self._service.root,
            env=environment(**self._service.settings),
            timeout=30,
        )
        return f"{done.stdout}\n{done.stderr}"

    def _learn(self, shown: str, real: str) -> None:
        """Learn which id stands for which; headers' ids do not matter."""
        was, now = (_ID.findall(_body(text)) for text in (shown, real))
        self._ids |= zip(was, now, strict=False)


def _body(answer: str) -> str:
    """Its JSON, which is one line."""
    return "".join(line for line in answer.splitlines() if line.startswith(("{", "[")))


def plain(text: str) -> list[str]:
    """Return the lines of a text with a word in place of each value that differs every time."""
    for pattern, word in _VARIES.items():
        text = re.sub(pattern, word, text)
    return [line.rstrip() for line in text.splitlines()]


def _missing(shown: list[str], real: list[str]) -> list[str]:
    """The lines that are shown and that did not come, in this order; headers that are left out may stand between."""
    rest = iter(real)
    return [line for line in shown if line not in rest]
