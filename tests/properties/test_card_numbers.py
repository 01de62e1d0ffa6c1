import hashlib
import random
import uuid
from datetime import UTC, datetime, timedelta

from payment_service.domain.cards import contains_card_number
from payment_service.domain.keys import derived_digits


def iban(rng: random.Random) -> str:
    country, length = rng.choice([("DE", 18), ("FR", 23), ("GB", 18), ("NO", 11), ("NL", 14), ("ES", 20)])
    account = "".join(rng.choices("0123456789", k=length))
    if country in ("GB", "NL"):
        account = "BANK" + account[4:]
    turned = "".join(str(int(char, 36)) for char in account + country + "00")
    return f"{country}{98 - int(turned) % 97:02}{account}"


def alike(rng: random.Random) -> dict[str, str]:
    """Return one of each thing that looks like a card number and is none."""
    moment = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(
        seconds=rng.randrange(7 * 10**8), microseconds=rng.randrange(10**6)
    )
    seconds = int(moment.timestamp())
    digest = hashlib.sha256(rng.randbytes(8)).hexdigest()
    account = iban(rng)
    cents = rng.randrange(10**14)
    return {
        "uuid": str(uuid.UUID(bytes=rng.randbytes(16), version=4)),
        "bare uuid": uuid.UUID(bytes=rng.randbytes(16), version=4).hex,
        "sha256": digest,
        "sha1": digest[:40].upper(),
        "gateway key": f"v1-{digest[:48]}",
        "trip reference": f"PAY-{moment:%Y%m%d}-{digest[:8]}",
        "order reference": "TXN" + "".join(rng.choices("0123456789", k=10)),
        "clock reading": f"{moment:%Y%m%d%H%M%S}",
        "clock reading with milliseconds": f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03}",
        "iso moment": moment.isoformat(),
        "moment with blanks": f"{moment:%Y-%m-%d %H.%M.%S.%f}",
        "epoch": f"{seconds}",
        "epoch milliseconds": f"{seconds}{rng.randrange(1000):03}",
        "epoch microseconds": f"{seconds}{rng.randrange(10**6):06}",
        "epoch nanoseconds": f"order-{seconds}{rng.randrange(10**9):09}",
        "amount": f"{cents // 100}.{cents % 100:02}",
        "amount with three decimals": f"{cents // 1000}.{cents % 1000:03} KWD",
        "amount with separators": f"EUR {cents / 100:,.2f}",
        "fraction": repr(rng.random()),
        "coordinates": f"{rng.uniform(-90, 90):.15f},{rng.uniform(-180, 180):.15f}",
        "telephone": f"+49 {rng.randrange(150, 180)} {rng.randrange(10**7, 10**8)}",
        "account": account,
        "account in groups": " ".join(account[at : at + 4] for at in range(0, len(account), 4)) + " PAID",
        "network address": ".".join(str(rng.randrange(256)) for _ in range(4)),
        "version": ".".join(str(rng.randrange(30)) for _ in range(3)),
        "hexadecimal id": f"pi_{digest[:24]}",
    }


def test_10000_lookalikes_are_no_card_numbers() -> None:
    rng = random.Random(20251120)
    flagged = []
    for _ in range(10_000 // len(alike(rng)) + 1):
        flagged += [f"{kind}: {text}" for kind, text in alike(rng).items() if contains_card_number(text)]
    assert flagged == []


def test_keys_made_of_digits_are_no_card_numbers() -> None:
    rng = random.Random(7)
    keys = [f"shop-{rng.randint(1, 10**9)}-{count}-{1_795_000_000 + count}" for count in range(20_000)]
    assert not [key for key in keys if contains_card_number(key)]


def test_derived_id_is_never_a_card_number() -> None:
    ids = [derived_digits(f"v1-{number}", "transaction", 16) for number in range(100_000)]
    assert [each for each in ids if contains_card_number(f"txn_{each}")] == []
