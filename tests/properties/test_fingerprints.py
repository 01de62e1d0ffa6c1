from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from payment_service.domain.keys import differing, fingerprint

ROUTE = "POST:/payments"
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.decimals(-(10**12), 10**12, places=3),
    st.lists(st.text(max_size=5), max_size=3), st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)  # fmt: skip
BODIES = st.dictionaries(st.from_regex(r"[a-z_]{1,10}", fullmatch=True), VALUES, max_size=6)


@given(one=BODIES, other=BODIES)
def test_fingerprints_of_two_bodies_are_equal_or_name_each_difference(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    left, right = fingerprint(ROUTE, one), fingerprint(ROUTE, other)
    named = differing(left, right)
    assert (left == right) == (named == [])
    assert [name for name in one.keys() & other.keys() - set(named) if one[name] != other[name]] == []
    assert {name for name in one.keys() ^ other.keys() if one.get(name, other.get(name)) is not None} <= set(named)
