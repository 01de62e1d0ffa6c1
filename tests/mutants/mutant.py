"""A deliberate fault: one named place of the product with a few words replaced, in memory and nowhere else."""

import ast
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "payment_service"


@dataclass(frozen=True)
class Mutant:
    """`old` is replaced by `new` in `place` of a module: a function, a class, `Class.method`, or a constant.

    Both are written as Python itself would write the code again (single quotes, no line breaks within a statement):
    how the product is wrapped and commented does not matter.
    """

    module: str
    place: str
    old: str
    new: str

    def tree(self) -> ast.Module:
        """The whole module as it would be. Raises LookupError where the product no longer says `old` there."""
        path = ROOT / (self.module.replace(".", "/") + ".py")
        path = path if path.exists() else path.with_suffix("") / "__init__.py"
        tree = ast.parse(path.read_text(), str(path))
        body, node = _find(tree, self.place.split("."))
        if node is None or self.old not in ast.unparse(node):
            raise LookupError(f"{self.module}.{self.place} has changed: adapt the mutant that replaces {self.old!r}")
        changed = ast.parse(ast.unparse(node).replace(self.old, self.new)).body
        body[body.index(node) : body.index(node) + 1] = changed
        return ast.fix_missing_locations(tree)

    def apply(self) -> None:
        """Change a module that was imported already, and whoever has imported the place from it by name."""
        module = importlib.import_module(self.module)
        name = self.place.partition(".")[0]
        before = getattr(module, name)
        _, node = _find(self.tree(), [name])
        assert node is not None
        exec(compile(ast.Module([node], []), self.module, "exec"), vars(module))  # noqa: S102
        for other in [module for key, module in sys.modules.items() if key.startswith(PACKAGE)]:
            for alias, value in list(vars(other).items()):
                if value is before:
                    setattr(other, alias, getattr(module, name))

    def install(self) -> None:
        """Let the module be imported as it would be; it must not have been imported yet."""
        assert self.module not in sys.modules, f"{self.module} was imported before it could be changed"
        sys.meta_path.insert(0, _Finder(self))


def _find(tree: ast.Module, path: Sequence[str]) -> tuple[list[ast.stmt], ast.stmt | None]:
    """The statement that defines a name, and the body it stands in."""
    body = tree.body
    for depth, name in enumerate(path):
        node = next((each for each in body if name in _names(each)), None)
        if node is None or depth == len(path) - 1:
            return body, node
        assert isinstance(node, ast.ClassDef)
        body = node.body
    return body, None


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return set()


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, tree: Callable[[], ast.Module]) -> None:
        super().__init__(name, path)
        self._tree = tree

    def get_code(self, fullname: str) -> Any:
        return compile(self._tree(), self.path, "exec")


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The ordinary finder's answer, with the changed code in the place of the file's."""
        if fullname != self._mutant.module:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None and found.origin is not None:
            found.loader = _Loader(fullname, found.origin, self._mutant.tree)
        return found
