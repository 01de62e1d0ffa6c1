"""The introduction of the API's description, for callers of every kind; Markdown."""

from payment_service.domain.principals import TokenScope

TITLE = "Payment Service"

INTRODUCTION = """
Charges and refunds **exactly once**, for five kinds of callers: *trips*, *bills*, *bookings*, *orders* and *checkout*.
Each kind has its own names, status words and error shape; which kind a request is of follows from its path, on the
shared paths `/payments` and `/v1/payments` from the field that names what is paid for (`trip_id`, `bill_id`,
`order_id`), and for an existing payment from who made it.

## Repeating a request

Send every payment and refund under an idempotency key of your own (1 to 255 characters), and repeat it with the same
key whenever you did not get an answer.

| what you send | what you get |
|---|---|
| the same key and content, finished before | the stored answer, byte for byte, with `Idempotent-Replayed: true` |
| the same, while the first is still running | `409` with `Retry-After` |
| the same key with other content | `422`, code `idempotency_key_mismatch` |
| a request that was not valid, or a `5xx` | the key is still free: correct the request or wait, and use it again |

`202` means that the gateway has not decided yet: ask for the payment later, or repeat the key. Nothing is ever charged
twice because you asked twice.

## Errors

Every error is the `default` response of its route, but for those of a few routes, which stand there by status. Beside
the text in the shape of its kind (`error` or `detail`) it has a stable `code` and says whether to try again:
`retry.safe`, with which `retry.key` (`same`, `new`, or null where keys play no part), `retry.after` how many seconds.
The codes are `validation_error`, `card_data_not_accepted`, `payment_token_required`, `return_url_required`,
`unsupported_media_type`, `body_too_large`, `TOKEN_MISSING`, `TOKEN_INVALID`, `USER_NOT_FOUND`, `forbidden`,
`scope_missing`, `payment_not_found`, `not_found`, `method_not_allowed`, `idempotency_key_not_found`,
`idempotency_key_in_use`, `idempotency_key_mismatch`, `trip_not_completed`, `payment_declined`, `refund_declined`,
`duplicate_refund_suspected`, `payable_mismatch`, `amount_exceeds_available`, `illegal_move`, `payable_already_paid`,
`timeout`, `too_many_requests`, `outcome_unknown`, `gateway_unavailable`, `database_unavailable`,
`database_not_migrated`, `unavailable` and `internal_error`; more may be added. A proxy in front of the service answers
`429`, `502`, `503` and `504` in the same way, with both texts.

## Values

Amounts are JSON numbers with at most as many decimals as the currency has, or the same as text. An optional field may
be null, which is as good as absent (an amount may not). Fields that are not described are ignored. Times are ISO 8601
in UTC. Card numbers are refused wherever they stand: send the token of your card vault. More fields may be added to
answers, none will be taken away.

Every answer has an `X-Request-ID`: your own, where you sent one of at most 64 letters, digits, dots, dashes and
underscores.

## Trying it out

Where the service runs with its simulated gateway, these amounts choose an outcome:

| amount | outcome |
|---|---|
| 402.01, 402.02, 402.03, 402.04 | declined: insufficient funds, declined by issuer, card expired, failed to capture |
| 202.01, 202.02 | unknown at first; found charged, or not |
| 202.03, 202.04 | pending at first; then charged, or declined |
""".strip()

SERVICE_TAG = {"name": "service", "description": "Is the service well, and how is it used?"}

TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": (
        "Issued by the auth service: `sub` (whose payments these are) and `exp` are required, `email` and "
        "`is_verified` are remembered. A subject sees and moves its own payments; with scope `payments:service` a "
        "token acts for all. A token with any scope that begins with `payments:` may do what its scopes say, and "
        "nothing else."
    ),
}

SCOPES = {
    TokenScope.CHARGE: "may create, charge, authorize, capture, void and cancel, in the subject's own name",
    TokenScope.REFUND: "may refund what belongs to the subject",
    TokenScope.READ: "may read what belongs to the subject",
    TokenScope.SERVICE: "may do all three for every subject",
}
"""The scopes of callers with their meaning; an operator's scope opens no route of the API."""


def scheme_of(scope: TokenScope) -> str:
    """Return the name of the security scheme for tokens with a scope: `payments.charge`."""
    return scope.value.replace(":", ".")


def token_with(scope: TokenScope) -> dict[str, str]:
    """Return the security scheme for tokens with a scope."""
    about = f"A token with the scope `{scope.value}`, or `{scope.value}:<channel>` for one channel alone"
    return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": f"{about}, {SCOPES[scope]}."}


HEADERS = {
    "X-Request-ID": ("The request's id: the caller's own where it is sane.", "5e0c6a5a-6b1c-4a6e-9d0e-3f1f3d1a7c11"),
    "X-Correlation-ID": ("The same as `X-Request-ID`.", "5e0c6a5a-6b1c-4a6e-9d0e-3f1f3d1a7c11"),
    "Idempotent-Replayed": ("`true` where this key was answered before and nothing was done again.", "true"),
    "Retry-After": ("Seconds after which to ask, or to repeat, again.", "2"),
}
"""Header → its meaning, and an example."""
