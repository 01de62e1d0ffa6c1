"""The users: a row behind each token's subject."""

from payment_service import clock
from payment_service.domain.principals import Principal
from payment_service.repositories import users
from payment_service.services.dependencies import Dependencies


def remember(deps: Dependencies, principal: Principal) -> None:
    """Create or refresh the row of a token's subject; most calls write nothing.

    A token without `email` or `is_verified` keeps the value of an earlier one.
    """
    with deps.database.reading() as connection:
        known = users.find(connection, principal.subject)
    said = (principal.email, principal.is_verified)
    if known is None or any(claim not in (None, there) for claim, there in zip(said, known, strict=True)):
        at, is_verified = clock.now(), principal.is_verified
        deps.database.run("user", users.remember, principal.subject, principal.email, is_verified=is_verified, at=at)
