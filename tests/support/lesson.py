"""A tutorial that changes the code: a checkout of its own, with the reader's new files and changes."""

import shutil
import subprocess
from pathlib import Path

from tests.support.markdown import Document
from tests.support.processes import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "node_modules", "var", "*.db*", "*.egg-info")


def checkout(home: Path) -> Path:
    """Return a copy of this checkout below `home`, with the same environment."""
    tree = home / "checkout"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    if (ROOT / ".venv").exists():
        (tree / ".venv").symlink_to(ROOT / ".venv")
    return tree


def programs(doc: Document) -> list[str]:
    """Return the Python blocks of a tutorial, in order."""
    return [content for word, content in doc.blocks if word == "python"]


def change(tree: Path, doc: Document, text: str = "", by: str = "") -> None:
    """Apply the tutorial's changes to the checkout, with `by` in place of `text` in what they add."""
    for difference in (content for word, content in doc.blocks if word == "diff"):
        changes = difference.replace(text, by) if text else difference
        command = ["git", "apply", "--whitespace=nowarn", "-"]
        subprocess.run(command, input=changes, check=True, text=True, cwd=tree)
