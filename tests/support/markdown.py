"""The checkable parts of the repository's documents."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.support.processes import ROOT

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Document:
    """One Markdown file."""

    path: Path

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text()

    @cached_property
    def blocks(self) -> list[tuple[str, str]]:
        """Fenced blocks: the word behind the fence, and the content."""
        return _BLOCK.findall(self.text)

    @cached_property
    def prose(self) -> str:
        """Everything outside the blocks."""
        return _BLOCK.sub("", self.text)

    @cached_property
    def spans(self) -> list[str]:
        """Return the texts between backticks."""
        return re.findall(r"`([^`\n]+)`", self.prose)

    @cached_property
    def code(self) -> list[str]:
        """Everything that can be typed: spans, and the lines of blocks that hold commands."""
        lines = [line for word, content in self.blocks if word in ("bash", "sh") for line in content.splitlines()]
        return self.spans + lines

    @cached_property
    def links(self) -> list[str]:
        """Targets of links, without those that leave the repository."""
        return [target for target in re.findall(r"\]\(([^)\s]+)\)", self.prose) if "://" not in target]

    @cached_property
    def headings(self) -> list[tuple[int, str, int]]:
        """Return level, anchor and place of every heading, in order."""
        outside = _BLOCK.sub(lambda block: " " * len(block[0]), self.text)
        found: list[tuple[int, str, int]] = []
        known: Counter[str] = Counter()
        for heading in re.finditer(r"^(#+) (.+)$", outside, re.MULTILINE):
            anchor = re.sub(r"[^\w -]", "", heading[2]).strip().lower().replace(" ", "-")
            found.append((len(heading[1]), f"{anchor}-{known[anchor]}" if known[anchor] else anchor, heading.start()))
            known[anchor] += 1
        return found

    def under(self, anchor: str) -> str:
        """Return the text from the heading with this anchor to the next of its level; all of it without an anchor."""
        if not anchor:
            return self.text
        level, _, start = next(heading for heading in self.headings if heading[1] == anchor)
        ends = [place for other, _, place in self.headings if place > start and other <= level]
        return self.text[start : ends[0] if ends else None]

    @cached_property
    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return the tables, each as the cells of its heading and the cells of its rows."""
        found = re.findall(r"^(\|.+)\n *\|[ :|-]+\n((?:\|.+\n?)+)", self.prose, re.MULTILINE)
        return [(_cells(heading), [_cells(row) for row in rows.splitlines()]) for heading, rows in found]

    def section(self, title: str) -> "Section":
        """Return the text under a heading."""
        _, _, after = self.text.partition(f"\n## {title}\n")
        assert after, f"{self.path.name} has no section {title!r}"
        return Section(after.partition("\n## ")[0])


@dataclass(frozen=True)
class Section:
    """A part of a document."""

    text: str

    def rows(self) -> Iterator[list[str]]:
        """Yield the cells of every table row, headings left out."""
        lines = self.text.splitlines()
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            is_heading = following.startswith("|--") or line.startswith("|--")
            if line.startswith("|") and not is_heading:
                yield _cells(line)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def documents() -> list[Document]:
    """Return every document of the repository."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("clients/*/README.md")]
    return [Document(path) for path in sorted(paths)]


def document(name: str) -> Document:
    """Return one of them, by its path."""
    return Document(ROOT / name)
