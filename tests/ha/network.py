"""Where the machines of the cluster are: on loopback, or each behind a cable of its own that can be pulled.

The second needs root and a network namespace without anything else in it, so that nothing leaves it and nothing comes
in. Packets to and from a machine whose cable is out are lost without a word, as with a real one.
"""

import subprocess
from typing import Protocol


class Network(Protocol):
    """Addresses of the machines, numbered from 1, and `own` of their users."""

    subnet: str
    own: str

    def address(self, number: int) -> str:
        """Return the address of a machine."""

    def prefix(self, number: int) -> tuple[str, ...]:
        """Return the beginning of a command that is to run on that machine."""

    def cut(self, number: int) -> None:
        """Pull the machine's cable."""

    def mend(self, number: int) -> None:
        """Plug it in again."""

    def close(self) -> None:
        """Be done with it."""


class Loopback:
    """Loopback addresses. No cable can be pulled."""

    subnet, own = "127.0.0.0/8", "127.0.0.1"

    def address(self, number: int) -> str:
        """Return one of loopback's many addresses."""
        return f"127.21.4.{number}"

    def prefix(self, number: int) -> tuple[str, ...]:
        """Every machine is this one."""
        del number
        return ()

    def cut(self, number: int) -> None:
        """Refuse."""
        raise RuntimeError(f"machine {number} has no cable")

    def mend(self, number: int) -> None:
        """Refuse."""
        raise RuntimeError(f"machine {number} has no cable")

    def close(self) -> None:
        """There is nothing to remove."""


class Cables:
    """A bridge, and machines that are network namespaces with a cable to it."""

    subnet, own = "10.21.4.0/24", "10.21.4.254"

    def __init__(self, machines: int) -> None:
        _ip("link set lo up")
        _ip("link add bridge type bridge")
        _ip(f"address add {self.own}/24 dev bridge")
        _ip("link set bridge up")
        self._machines = {number: _empty_namespace() for number in range(1, machines + 1)}
        for number, holder in self._machines.items():
            _ip(f"link add cable{number} type veth peer name eth0 netns {holder.pid}")
            self.mend(number)
            _ip(f"link set cable{number} up")
            for words in ("link set lo up", f"address add {self.address(number)}/24 dev eth0", "link set eth0 up"):
                _ip(words, self.prefix(number))

    def address(self, number: int) -> str:
        """Return the machine's address on the bridge."""
        return f"10.21.4.{number}"

    def prefix(self, number: int) -> tuple[str, ...]:
        """Enter the machine's namespace."""
        return ("nsenter", f"--net=/proc/{self._machines[number].pid}/ns/net")

    def cut(self, number: int) -> None:
        """Take the cable out of the bridge. Both ends stay up: neither side hears of it."""
        _ip(f"link set cable{number} nomaster")

    def mend(self, number: int) -> None:
        """Put the cable into the bridge."""
        _ip(f"link set cable{number} master bridge")

    def close(self) -> None:
        """End the namespaces; their cables go with them, and the bridge with ours."""
        for holder in self._machines.values():
            holder.kill()
            holder.communicate()


def _ip(words: str, prefix: tuple[str, ...] = ()) -> None:
    subprocess.run([*prefix, "ip", *words.split()], check=True)


def _empty_namespace() -> subprocess.Popen[bytes]:
    """Start a process that does nothing but hold a network namespace, until it is killed or we are gone."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; read -r _"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline(), "there are no network namespaces here"
    return holder
