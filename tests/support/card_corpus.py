"""Card numbers in every spelling, and what looks like them and is none: `python -m tests.support.card_corpus`.

Both are made of `tests/fixtures/card_numbers.txt` and a fixed seed. Prints how many of each are classified right, and
the others one by one.
"""

import hashlib
import json
import random
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from marshmallow import Schema

from payment_service.domain.cards import contains_card_number
from payment_service.domain.errors import CardDataNotAccepted
from payment_service.web.fields import load
from payment_service.web.metadata import Metadata
from payment_service.web.strict_json import parse_object
from tests.support.card_spellings import SPELLINGS, STRUCTURES

SEED = 20251120
LOOKALIKES_EACH = 80
_FILE = Path(__file__).parent.parent / "fixtures" / "card_numbers.txt"
_METADATA = Schema.from_dict({"metadata": Metadata()})()


def check_digit(payload: str) -> str:
    """Return the digit that makes it pass the Luhn check."""
    doubled = [sum(divmod(int(digit) * (2 - at % 2), 10)) for at, digit in enumerate(reversed(payload))]
    return str(-sum(doubled) % 10)


def numbers() -> list[tuple[str, str]]:
    """Scheme and number, in the file's order."""
    found = []
    for line in _FILE.read_text().splitlines():
        scheme, _, rest = line.partition("  ")
        for word in rest.split() if not line.startswith("#") else ():
            number = word if word.isdigit() else word[:-1] + check_digit(word[:-1])
            found.append((scheme, number))
    return found


def texts() -> Iterator[tuple[str, str]]:
    """Yield a label, and a text with a card number: every number in every spelling."""
    for scheme, number in numbers():
        for name, spelling in SPELLINGS.items():
            yield f"{scheme} {name}", spelling(number)


def bodies() -> Iterator[tuple[str, str]]:
    """Yield a label, and a body with a card number: every number in every structure."""
    for scheme, number in numbers():
        for name, structure in STRUCTURES.items():
            yield f"{scheme} as {name}", structure(number)


def is_refused(body: str) -> bool:
    """Return whether a body is refused for its card data."""
    try:
        load(_METADATA, parse_object(body.encode()), "body")
    except CardDataNotAccepted:
        return True
    return False


def lookalikes() -> Iterator[tuple[str, str]]:
    """Yield a label, and a text without a card number."""
    rng = random.Random(SEED)
    for _ in range(LOOKALIKES_EACH):
        yield from _moments(rng)
        yield from _ids(rng)
        yield from _amounts(rng)
        yield from _things(rng)
        yield from _people(rng)


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("0123456789", k=count))


def _moments(rng: random.Random) -> Iterator[tuple[str, str]]:
    moment = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(
        seconds=rng.randrange(5 * 10**8), microseconds=rng.randrange(10**6)
    )
    seconds, micro = int(moment.timestamp()), moment.microsecond
    yield "clock reading", f"{moment:%Y%m%d%H%M%S}"
    yield "clock reading with milliseconds", f"{moment:%Y%m%d%H%M%S}{micro // 1000:03}"
    yield "day first", f"{moment:%d%m%Y%H%M%S}"
    yield "day first with dots", f"{moment:%d.%m.%Y %H:%M:%S}"
    yield "day first with slashes", f"{moment:%d/%m/%Y %H:%M}"
    yield "ISO", moment.isoformat()
    yield "ISO with a blank", f"{moment:%Y-%m-%d %H:%M:%S.%f}+00:00"
    yield "blanks and dots", f"{moment:%Y-%m-%d %H.%M.%S.%f}"
    yield "short year and sequence", f"2{moment:%y%m%d%H%M%S}"[1:] + f"{rng.randrange(10**4):04}"
    yield "epoch", str(seconds)
    yield "epoch milliseconds", f"{seconds}{micro // 1000:03}"
    yield "epoch microseconds", f"{seconds}{micro:06}"
    yield "epoch nanoseconds", f"order-{seconds}{micro:06}{rng.randrange(1000):03}"
    yield "epoch with a fraction", f"{seconds}.{micro:06}"
    yield "epoch and counter", f"{seconds}-{rng.randrange(10**5)}"
    yield "two epochs", f"{seconds}-{seconds + rng.randrange(10**4)}"
    yield "time of day", f"{moment:%H:%M:%S.%f}"
    yield "log line", f"{moment:%Y-%m-%d %H:%M:%S},{micro // 1000:03} [4711] trip 12 of 45 took 12.5 ms"


def _ids(rng: random.Random) -> Iterator[tuple[str, str]]:
    digest = hashlib.sha256(rng.randbytes(8)).hexdigest()
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=rng.randrange(3000))
    each = uuid.UUID(bytes=rng.randbytes(16), version=4)
    yield "UUID", str(each)
    yield "UUID in capitals", str(each).upper()
    yield "bare UUID", each.hex
    yield (
        "UUID 7",
        str(uuid.UUID(int=(rng.randrange(1_700_000_000_000, 1_900_000_000_000) << 80) | rng.getrandbits(80))),
    )
    yield "ULID", "01" + "".join(rng.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=24))
    yield "object id", digest[:24]
    yield "SHA-256", digest
    yield "SHA-1", digest[:40].upper()
    yield "MD5 by its name", f"md5:{digest[:32]}"
    yield "gateway key", f"v1-{digest[:48]}"
    yield "trace", f"00-{digest[:32]}-{digest[32:48]}-01"
    yield "intent", f"pi_{digest[:24]}"
    yield "base64", "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", k=32))
    yield "trip reference", f"PAY-{moment:%Y%m%d}-{digest[:8]}"
    yield "order reference", "TXN" + _digits(rng, 10)
    yield "order and date", f"ORD-{moment:%Y%m%d}-{rng.randrange(10**4):04}"
    yield "invoice and date", f"{rng.randrange(10**4):04}-{moment:%Y%m%d}-{rng.randrange(10**4):04}"
    yield "key of a shop", f"shop-{rng.randrange(10**9)}-{rng.randrange(10**4)}-{1_795_000_000 + rng.randrange(10**6)}"
    yield "key of a trip", f"trip-{rng.randrange(10**6)}-user-{rng.randrange(10**6)}-{rng.randrange(100)}"
    yield "snowflake", str(1_400_000_000_000_000_000 + rng.randrange(10**17))
    yield "number of a row", str(rng.randrange(10**12))
    yield "Amazon order", f"{rng.choice([302, 303, 304, 404, 405])}-{_digits(rng, 7)}-{_digits(rng, 7)}"


def _amounts(rng: random.Random) -> Iterator[tuple[str, str]]:
    cents = rng.randrange(10**14)
    yield "amount", f"{cents // 100}.{cents % 100:02}"
    yield "amount with three decimals", f"{cents // 1000}.{cents % 1000:03} KWD"
    yield "amount with commas", f"EUR {cents / 100:,.2f}"
    yield "amount with dots", f"{cents / 100:,.2f} EUR".translate(str.maketrans(",.", ".,"))
    yield "amount with blanks", f"{cents / 100:,.2f} EUR".replace(",", " ")
    yield "amounts", ", ".join(f"{rng.randrange(10**4)}.{rng.randrange(100):02}" for _ in range(5))
    yield "fraction", repr(rng.random())
    yield "coordinates", f"{rng.uniform(-90, 90):.15f},{rng.uniform(-180, 180):.15f}"
    yield "short coordinates", f"{rng.uniform(-90, 90):.6f}, {rng.uniform(-180, 180):.6f}"
    yield "scientific", f"{rng.uniform(1, 10):.5e}"
    yield (
        "network address and port",
        f"{'.'.join(str(rng.randrange(256)) for _ in range(4))}:{rng.randrange(1024, 65536)}",
    )
    yield "network addresses", ", ".join(".".join(str(rng.randrange(256)) for _ in range(4)) for _ in range(3))
    yield "hardware address", ":".join(f"{rng.randrange(256):02X}" for _ in range(6))
    yield "version", f"{rng.randrange(30)}.{rng.randrange(30)}.{rng.randrange(999)}+build.{rng.randrange(9999)}"


def _things(rng: random.Random) -> Iterator[tuple[str, str]]:
    article = rng.choice(["400", "401", "431", "440", "501", "503", "628", "871"]) + _digits(rng, 9)
    step, first = rng.randrange(1, 4), rng.randrange(30, 60)
    company = f"3{_digits(rng, 7)}"
    yield "barcode", article + str(-sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(article)) % 10)
    yield "IMEI", (phone := f"35{_digits(rng, 12)}") + check_digit(phone)
    yield "IMEI with dashes", f"{phone[:2]}-{phone[2:8]}-{phone[8:14]}-{check_digit(phone)}"
    yield "SIM card", (sim := f"8949{_digits(rng, 14)}") + check_digit(sim)
    yield "IMSI", f"26201{_digits(rng, 10)}"
    yield "ISBN", f"978-3-{_digits(rng, 2)}-{_digits(rng, 6)}-{rng.randrange(10)}"
    yield "parcel of USPS", f"9405 5118 99{_digits(rng, 2)} {_digits(rng, 4)} {_digits(rng, 4)} {_digits(rng, 2)}"
    yield "parcel of UPS", f"1Z{''.join(rng.choices('0123456789AEWXY', k=6))}{_digits(rng, 10)}"
    yield "parcel of FedEx", f"{_digits(rng, 4)} {_digits(rng, 4)} {_digits(rng, 4)}"
    yield "parcel of DHL", f"00340434{_digits(rng, 12)}"
    yield "parcel from China", f"YT2{rng.randrange(100, 366)}{_digits(rng, 12)}"
    yield "parcel by post", f"RR{_digits(rng, 9)}DE"
    yield "sizes", ", ".join(str(first + step * at) for at in range(8))
    yield "seats", " ".join(str(4100 + first + step * at) for at in range(4))
    yield "lottery", " ".join(str(rng.randrange(1, 50)) for _ in range(6))
    yield "CNPJ", f"{company[:2]}.{company[2:5]}.{company[5:]}/0001-{_digits(rng, 2)}"
    yield "bare CNPJ", f"{company}0001{_digits(rng, 2)}"
    yield "SIRET", (siret := f"{company}{rng.randrange(10)}000{rng.randrange(1, 10)}") + check_digit(siret)


def _people(rng: random.Random) -> Iterator[tuple[str, str]]:
    born = datetime(1940, 1, 1, tzinfo=UTC) + timedelta(days=rng.randrange(24_000))
    account = iban(rng)
    yield "telephone", f"+49 {rng.randrange(150, 180)} {rng.randrange(10**7, 10**8)}"
    yield "telephone without blanks", f"+4915{_digits(rng, 9)}"
    yield "telephone without a plus", f"4915{rng.choice('127')}{_digits(rng, 8)}"
    yield "telephone with noughts", f"0049 (0) 151 / {_digits(rng, 3)} {_digits(rng, 4)}"
    yield "telephone in Brazil", f"55 11 9{_digits(rng, 4)}-{_digits(rng, 4)}"
    yield "telephone in the US", f"(305) 555-{_digits(rng, 4)}, (415) 555-{_digits(rng, 4)}"
    yield "telephone in Indonesia", f"+62 812 {_digits(rng, 4)} {_digits(rng, 4)}"
    yield "account", account
    yield "account in groups", " ".join(account[at : at + 4] for at in range(0, len(account), 4)) + " PAID"
    yield "routing number and account", f"{_digits(rng, 9)}"
    yield "resident in China", f"{rng.choice([340104, 360102, 410105, 440305, 620102])}{born:%Y%m%d}{_digits(rng, 4)}"
    yield "resident in South Africa", (south := f"{born:%y%m%d}{_digits(rng, 4)}08") + check_digit(south)
    yield "resident in India", f"{rng.randrange(2, 10)}{_digits(rng, 3)} {_digits(rng, 4)} {_digits(rng, 4)}"


def iban(rng: random.Random) -> str:
    """Return a bank account with the check digits that fit."""
    country, length = rng.choice([("DE", 18), ("FR", 23), ("GB", 18), ("NO", 11), ("NL", 14), ("ES", 20)])
    account = _digits(rng, length)
    if country in ("GB", "NL"):
        account = "BANK" + account[4:]
    turned = "".join(str(int(char, 36)) for char in account + country + "00")
    return f"{country}{98 - int(turned) % 97:02}{account}"


def misses() -> list[str]:
    """Card numbers that are not found."""
    missed = [f"{what}: {text!r}" for what, text in texts() if not contains_card_number(text)]
    return missed + [f"{what}: {body}" for what, body in bodies() if not is_refused(body)]


def false_alarms() -> list[str]:
    """Lookalikes that are taken for card numbers, as texts or in a body."""
    return [
        f"{what}: {text!r}"
        for what, text in lookalikes()
        if contains_card_number(text) or is_refused(json.dumps({"metadata": {"note": text, "list": [text]}}))
    ]


def main() -> None:
    """Print the counts, and the wrongly classified texts."""
    cards, others = sum(1 for _ in texts()) + sum(1 for _ in bodies()), sum(1 for _ in lookalikes())
    missed, alarms = misses(), false_alarms()
    sys.stdout.write("\n".join([*missed, *alarms, ""]))
    schemes = len({scheme for scheme, _ in numbers()})
    sys.stdout.write(
        f"{schemes} schemes, {len(numbers())} numbers, {len(SPELLINGS)} spellings, {len(STRUCTURES)} bodies\n"
    )
    sys.stdout.write(f"card numbers: {cards - len(missed)} of {cards} found ({1 - len(missed) / cards:.2%})\n")
    sys.stdout.write(f"lookalikes: {len(alarms)} of {others} taken for card numbers ({len(alarms) / others:.3%})\n")


if __name__ == "__main__":
    main()
