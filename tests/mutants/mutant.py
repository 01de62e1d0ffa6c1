"""A deliberate fault: a function of the product replaced, a statement changed, or an attribute set; in memory only.

The seams are the product's own names, imported as everybody imports them: a seam that is gone breaks this package, and
the type checker says where.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from payment_service.statements import statements

PACKAGE = "payment_service"
DATABASES = ("postgresql", "sqlite")

Function = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """`functions`: each is replaced by what its wrapper makes of it. `statements`: `(old, new)` in the SQL of a name.

    `attributes`: `(owner, name, value)`, the owner being a class or a module.
    """

    functions: Mapping[Function, Callable[[Function], Function]] = field(default_factory=dict)
    statements: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    attributes: tuple[tuple[Any, str, Any], ...] = ()

    def apply(self) -> None:
        """Put the fault into this process."""
        for function, wrapper in self.functions.items():
            _replace(function, wrapper(function))
        for name, (old, new) in self.statements.items():
            _change(name, old, new)
        for owner, name, value in self.attributes:
            setattr(owner, name, value)

    def missing(self) -> list[str]:
        """Return the seams that the product no longer has."""
        texts = [
            f"{name}: {old}"
            for name, (old, _) in self.statements.items()
            if not any(old in statements(database)[name].text for database in DATABASES)
        ]
        return texts + [f"{owner}.{name}" for owner, name, _ in self.attributes if not hasattr(owner, name)]


def _replace(function: Function, changed: Function) -> None:
    """In every module of the product that knows the function by any name."""
    for module in [module for name, module in sys.modules.items() if name.startswith(PACKAGE)]:
        for alias, value in list(vars(module).items()):
            if value is function:
                setattr(module, alias, changed)


def _change(name: str, old: str, new: str) -> None:
    for database in DATABASES:
        known = statements(database)
        made = known[name]
        texts = {style: getattr(made, style).replace(old, new) for style in ("text", "numbered", "formatted")}
        known[name] = replace(made, **texts)
