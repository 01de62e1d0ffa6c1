"""Routes that are compiled once: thousands of apps in a run have the same, and werkzeug compiles each rule for each."""

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule


def remember_builders() -> None:
    """From now on a rule's builder of URLs is compiled for the first app that has the rule."""
    compile_builder: Callable[..., Any] = Rule._compile_builder
    known: dict[object, Any] = {}

    def remembered(rule: Rule, append_unknown: bool = True) -> Any:
        same = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if same not in known:
            known[same] = compile_builder(rule, append_unknown)
        return known[same]

    Rule._compile_builder = remembered  # type: ignore[assignment, method-assign]
