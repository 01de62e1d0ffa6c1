"""The rules of this code base, as tests: each docstring names the fault that its rule prevents."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from payment_service.domain.lifecycle import Status
from payment_service.domain.operations import OperationStatus
from payment_service.models import REFUND_STATUSES
from tests.conftest import here

LONGEST_MODULE, LONGEST_FUNCTION = 250, 40
PACKAGE, SIMULATOR, TESTS = here("payment_service"), here("simulator"), here("tests")
TRANSACTION_WORDS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def modules(*folders: Path, but: tuple[str, ...] = ()) -> Iterator[tuple[str, ast.Module]]:
    """Return name and content of every module below the folders; `but` are beginnings of names to leave out."""
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(here(".")).as_posix()
            if not name.startswith(but or ("-",)):
                yield name, parsed(path)


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def dotted(node: ast.AST) -> str:
    """Return `os.environ` for an attribute or a name, "" for any other node."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def imported(tree: ast.Module) -> Iterator[str]:
    """Return everything that a module imports, by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_the_database_module_commits() -> None:
    """A commit in a called function would end a transaction that its caller still relies on."""
    offenders = [
        f"{name}:{node.lineno}"
        for name, tree in modules(PACKAGE, but=("payment_service/db.py",))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]
    assert offenders == []


def test_only_the_database_modules_send_begin_and_commit_statements() -> None:
    """`Database.atomic()` begins and commits through `Connection`; a text sent by another way would bypass it."""
    own = ("payment_service/db.py", "payment_service/connection.py")
    offenders = [
        f"{name}:{node.lineno}"
        for name, tree in modules(PACKAGE, but=own)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(TRANSACTION_WORDS)
    ]
    assert offenders == []


def test_only_the_clock_reads_time_and_makes_identities() -> None:
    """Code that reads the clock directly cannot be tested at another time of day."""
    forbidden = {"time", "random", "secrets"}
    calls = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now"}
    offenders = []
    for name, tree in modules(PACKAGE, but=("payment_service/clock.py",)):
        names = set(imported(tree))
        offenders += [f"{name}: {each}" for each in names if each.partition(".")[0] in forbidden]
        offenders += [f"{name}: {each}" for each in names if each.startswith("uuid") and each != "uuid.UUID"]
        offenders += [
            f"{name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and dotted(node) in calls
        ]
    assert offenders == []


def test_module_below_the_entry_points_reads_no_environment() -> None:
    """A setting that a module reads directly is in no list, has no type, and is found missing in production."""
    forbidden = {"os.environ", "os.environb", "os.getenv"}
    offenders = []
    for name, tree in modules(PACKAGE, here("migrations")):
        offenders += [f"{name}: {each}" for each in imported(tree) if each in forbidden]
        offenders += [
            f"{name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and dotted(node) in forbidden
        ]
    assert offenders == []


def test_module_has_at_most_250_lines() -> None:
    lengths = {name: len(here(name).read_text().splitlines()) for name, _ in modules(PACKAGE, SIMULATOR, TESTS)}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_function_has_at_most_40_lines() -> None:
    lengths = {
        f"{name}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for name, tree in modules(PACKAGE, SIMULATOR, TESTS)
        for function in functions(tree)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_view_catches_no_exception() -> None:
    """Errors become responses in one place; a view that catches one decides for a channel it does not know."""
    views = [
        (name, function)
        for name, tree in modules(PACKAGE / "blueprints", PACKAGE / "channels")
        for function in functions(tree)
        if "Response" in ast.unparse(function.returns or ast.Constant(None))
    ]
    assert len(views) > 15
    assert [
        f"{name}:{view.name}" for name, view in views if any(isinstance(node, ast.Try) for node in ast.walk(view))
    ] == []


def test_every_public_name_has_a_docstring() -> None:
    offenders = []
    for name, tree in modules(PACKAGE):
        offenders += [] if ast.get_docstring(tree) else [name]
        offenders += [f"{name}:{each}" for each in _undescribed(tree)]
    assert offenders == []


def _undescribed(parent: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in parent.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}.{each}" for each in _undescribed(node))


def test_only_the_lifecycle_decides_legal_moves() -> None:
    """A second place that compares statuses is a second lifecycle. Channels compare them to find their words."""
    others = {*map(str, OperationStatus), *REFUND_STATUSES}
    words = {str(status) for status in Status} - others
    offenders = [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, tree in modules(PACKAGE, but=("payment_service/domain/lifecycle.py", "payment_service/channels/"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and (_names_a_status(node) or words & set(_texts(node)))
    ]
    assert offenders == []


def _names_a_status(node: ast.Compare) -> bool:
    return any(dotted(part).startswith("Status.") for part in ast.walk(node))


def _texts(node: ast.Compare) -> Iterator[str]:
    """Return the texts that code compares a `status` with."""
    if any(dotted(part).endswith("status") for part in ast.walk(node)):
        yield from (
            part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
        )


def test_module_has_a_specific_name() -> None:
    """A manager, helper or utility is a name that does not say what the code does."""
    empty = ("manager", "helper", "util", "utils", "processor", "misc", "common")
    offenders = [
        f"{name}:{node.name}"
        for name, tree in modules(PACKAGE)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.lower().endswith(empty)
    ]
    offenders += [name for name, _ in modules(PACKAGE, SIMULATOR, TESTS) if Path(name).stem.rstrip("s").endswith(empty)]
    assert offenders == []


def test_channel_imports_no_tables_and_no_gateway() -> None:
    """All five end in the same services: there is no second way to move money."""
    offenders = [
        f"{name}: {each}"
        for name, tree in modules(PACKAGE / "channels", PACKAGE / "blueprints")
        for each in imported(tree)
        if each.startswith(
            (
                "payment_service.repositories",
                "payment_service.gateways",
                "payment_service.db",
                "payment_service.connection",
                "sqlalchemy",
            )
        )
    ]
    assert offenders == []
