"""Who has been here: the user row behind a token's subject."""

from payment_service import clock
from payment_service.domain.principals import Principal
from payment_service.repositories import users
from payment_service.services.dependencies import Dependencies


def remember(deps: Dependencies, principal: Principal) -> None:
    """Create or refresh the row of a token's subject; most often there is nothing to write."""
    with deps.database.reading() as connection:
        known = users.find(connection, principal.subject)
    if known != (principal.email, principal.is_verified):
        at, is_verified = clock.now(), principal.is_verified
        deps.database.run("user", users.remember, principal.subject, principal.email, is_verified=is_verified, at=at)
