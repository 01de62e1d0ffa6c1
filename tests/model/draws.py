"""The draws of the walks: the caller and its request, the bank's reaction, and the point at which the service dies."""

from hypothesis import strategies as st

from tests.model.facts import IN_VAIN, OVERTAKEN, Plan

MOVES = {
    "trips": ["refund"],
    "bookings": ["process", "refund", "cancel", "fail"],
    "orders": ["process", "refund", "cancel", "fail"],
    "checkout": ["capture", "void", "refund"],
}
KEYLESS = {"orders": ["process", "cancel", "fail"]}
"""The commands that take no key."""
OPENINGS = st.sampled_from(
    [
        *(("trips", "charge"), ("bills", "charge"), ("orders", "charge"), ("orders", "create")),
        *(("bookings", "create"), ("bookings", "create"), ("checkout", "charge"), ("checkout", "hold")),
    ]
)
NEEDS_KEY = {("trips", "charge"), ("trips", "refund"), ("bills", "charge"), ("orders", "charge")}
POINTS = ["claim.begin", "claim.before_commit", "claim.after_commit", "gateway.sent", "gateway.answered"]
POINTS += ["finish.before_commit", "finish.after_commit", "answer.begin"]
SWEEPS = ["recover.before_commit", "recover.after_commit", *POINTS[3:-1]]
POINTS += [sleep + point for sleep in (OVERTAKEN, IN_VAIN) for point in ("claim.after_commit", "gateway.answered")]

REPLIES = st.sampled_from(["tells"] * 6 + ["loses", "misses", "pends", "hesitates", "refuses", "lies"])
PLANS = st.builds(Plan, st.sampled_from(["approved", "approved", "approved", "declined"]), REPLIES)
USERS = st.integers(0, 1)
RENAMED = st.sampled_from([False, False, True])
"""Whether a user's token has its new subject."""
ANY = st.integers(0, 1000)
KEYS = st.integers(-3, 8)
"""Below 0: none, where none is needed; the last three: a used one; all others: a new one."""
AMOUNTS = st.sampled_from([10_000, 250_000, 1, 2599])
SHARES = st.sampled_from([None, 1.0, 0.5, 0.01, 2.0])


def crashes(points: list[str]) -> "st.SearchStrategy[str | None]":
    """Draw the point of a crash, mostly none."""
    return st.sampled_from([None] * (3 * len(points)) + points)
