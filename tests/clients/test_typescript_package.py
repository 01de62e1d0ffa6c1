"""The package for TypeScript: what it needs and what its types refuse."""

import json
from pathlib import Path

from tests.clients.typescript_client import PACKAGE
from tests.clients.typescript_project import Project

PROGRAM = """
import { Declined, PaymentClient, type TripPayment } from "payment-service-client";
const client = new PaymentClient("http://service", { token: async () => "a-token", fetch });

export async function pay(): Promise<[TripPayment, Date, string]> {
  const paid = await client.trips.pay({ tripId: 101, method: "CARD", amount: "150.00" });
  return [paid, paid.createdAt, paid.refundedAmount];
}
export const declined = (error: unknown): string | null => (error instanceof Declined ? error.code : null);
"""
WRONG = [
    'client.trips.pay({ tripId: 101, method: "CARD", amount: 150.0 })',
    'client.trips.pay({ tripId: 101, method: "CHEQUE" })',
    'client.trips.pay({ tripId: "101", method: "CARD" })',
    'client.trips.pay({ tripId: 101, method: "CARD", amout: "150.00" })',
    'client.bills.pay({ billId: 7, method: "UPI" })',
    "client.orders.refund({ paymentId: 1 })",
    "client.checkout.get({ paymentId: 1 })",
    "client.bills.refund({ paymentId: 1 })",
]


def test_the_types_allow_what_is_right_and_refuse_what_is_wrong(tmp_path: Path) -> None:
    wrong = "".join(f"  // @ts-expect-error\n  void {each};\n" for each in WRONG)

    assert Project(tmp_path).compiled(f"{PROGRAM}export function wrong(): void {{\n{wrong}}}\n").exists()


def test_the_package_needs_nothing_and_its_compiler_is_locked_without_a_host() -> None:
    package, lock = (json.loads((PACKAGE / name).read_text()) for name in ("package.json", "package-lock.json"))
    locked = lock["packages"]

    assert package["devDependencies"] == {"typescript": locked["node_modules/typescript"]["version"]}
    assert not package.keys() & {"dependencies", "peerDependencies", "optionalDependencies"}
    assert [name for name, entry in locked.items() if name and not (entry.get("integrity") and entry["dev"])] == []
    assert "://" not in json.dumps(lock)


def test_the_compiler_is_strict() -> None:
    options = json.loads((PACKAGE / "tsconfig.json").read_text())["compilerOptions"]
    sources = "".join(path.read_text() for path in sorted((PACKAGE / "src").glob("*.ts")))

    assert options["strict"] is options["noEmitOnError"] is options["noUncheckedIndexedAccess"] is True
    assert [word for word in (": any", "as any", "<any", "@ts-", "eslint") if word in sources] == []


def test_modules_are_short() -> None:
    sources = {path.name: len(path.read_text().splitlines()) for path in Path(PACKAGE / "src").glob("*.ts")}

    assert len(sources) > 5
    assert {name: lines for name, lines in sources.items() if lines > 250} == {}
