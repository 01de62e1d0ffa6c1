"""Routes that are compiled once: thousands of apps in a run have the same, and werkzeug compiles each rule for each."""

from collections.abc import Callable

from werkzeug.routing import Rule

SHARED = ("_parts", "_trace", "_converters", "arguments")
"""The attributes that compiling writes into a rule, and that never change afterwards."""


def remember_rules() -> None:
    """From now on a rule is compiled for the first app that has it; later apps' rules take over what came of it."""
    compile_rule: Callable[[Rule], None] = Rule.compile
    known: dict[object, Rule] = {}

    def remembered(rule: Rule) -> None:
        first = known.setdefault((rule.rule, repr(rule.defaults), rule.merge_slashes, *_converters(rule)), rule)
        if first is rule:
            compile_rule(rule)
            return
        for name in SHARED:
            setattr(rule, name, getattr(first, name))
        for name in ("_build", "_build_unknown"):
            setattr(rule, name, getattr(first, name).__func__.__get__(rule))

    Rule.compile = remembered  # type: ignore[assignment, method-assign]


def _converters(rule: Rule) -> tuple[object, ...]:
    assert rule.map is not None
    return tuple(rule.map.converters.items())
