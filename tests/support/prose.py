"""Counts of what makes English slow to read, in Markdown, docstrings and comments: code is left out."""

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

SLOW = re.compile(
    r"\b(whoever|whatever|whomever|whose|nobody|somebody|told|said|for ever|else|goes on|by itself|themselves"
    r"|one another)\b",
    re.IGNORECASE,
)
"""Words of sentences without an actor, which a reader must take apart."""

RIDDLE = re.compile(r"(what|who|where)\b", re.IGNORECASE)
"""How a sentence begins that names its subject last."""


@dataclass(frozen=True)
class Counts:
    """Counts of a text."""

    words: int
    slow: int
    sentences: int
    riddles: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(self._all, other._all, strict=True)))

    @property
    def slow_share(self) -> float:
        """Slow words for each thousand."""
        return 1000 * self.slow / max(1, self.words)

    @property
    def riddle_share(self) -> float:
        """Riddles for each hundred sentences."""
        return 100 * self.riddles / max(1, self.sentences)

    @property
    def _all(self) -> tuple[int, ...]:
        return (self.words, self.slow, self.sentences, self.riddles)


NOTHING = Counts(0, 0, 0, 0)


def of_markdown(path: Path) -> Counts:
    """Count a document's prose; cells of tables are sentences."""
    return _of_text(path.read_text())


def of_python(path: Path) -> Counts:
    """Count the docstrings and comments of a module."""
    source = path.read_text()
    strings = [
        node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]
    return _of_text("\n\n".join([*strings, *comments]))


def of_comments(path: Path) -> Counts:
    """Count the comments of a file of settings; one that is a setting by default is none."""
    lines = path.read_text().splitlines()
    return _of_text("\n\n".join(line.strip("# -") for line in lines if re.match(r"#[ -]", line)))


def _of_text(text: str) -> Counts:
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "x", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    sentences = list(_sentences(text))
    return Counts(
        len(re.findall(r"\b[\w'-]+\b", text)),
        len(SLOW.findall(text)),
        len(sentences),
        sum(1 for sentence in sentences if RIDDLE.match(sentence)),
    )


def _sentences(text: str) -> list[str]:
    parts = (
        " ".join(re.sub(r"^[\s#>*\-0-9.]+", "", line) for line in part.splitlines())
        for part in re.split(r"\n\s*\n|\|", text)
    )
    return [found.strip() for part in parts for found in re.split(r"(?<=[.!?:])\s+", part) if found.strip()]
