"""A real nginx with the configuration that is deployed, on loopback ports, without privileges."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template

from tests.support.certificates import Certificate
from tests.support.missing import is_missing
from tests.support.ports import free_port, listens
from tests.support.waiting import wait_until

DEPLOYED = Path(__file__).resolve().parents[2] / "deploy" / "nginx"


def nginx_program() -> str:
    """Return the path of nginx; the calling test is skipped where there is none, and under CI=true it fails.

    Debian keeps it in /usr/sbin, which is not on every user's PATH.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        is_missing("NGINX IS MISSING: nothing was tested through the proxy (apt-get install nginx)")
    return program


def rendered(given: Mapping[str, str]) -> str:
    """Return the template as nginx's image renders it: first the shell, then the variables."""
    told = subprocess.run(
        ["sh", "-euc", ". ./variants.envsh; env -0"],
        check=False,
        cwd=DEPLOYED,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    variables = dict(line.split("=", 1) for line in told.stdout.split("\0") if line)
    return Template((DEPLOYED / "templates" / "payment-service.conf.template").read_text()).safe_substitute(variables)


class Nginx:
    """The deployed proxy, listening on `port` of 127.0.0.1 and asking `upstream` (`host:port` or `unix:/path`).

    With a `certificate` it ends TLS on `tls_port`. It believes the `trusted` proxies, addresses by commas.
    """

    def __init__(
        self, upstream: str, *, read_timeout: int = 28, certificate: Certificate | None = None, trusted: str = ""
    ) -> None:
        self._program = nginx_program()
        # Under /tmp, since the deployed file names its places relative to here and a socket's path must be short.
        self.home = Path(tempfile.mkdtemp(prefix="nginx-", dir="/tmp"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copy(DEPLOYED / "nginx.conf", self.home)
        given = {
            "LISTEN": f"listen 127.0.0.1:{self.port}",
            "SERVER_NAMES": "localhost 127.0.0.1",
            "UPSTREAM": upstream,
            "READ_TIMEOUT": str(read_timeout),
            "NGINX_TRUSTED_PROXIES": trusted,
        }
        if certificate:
            self.tls_port = free_port()
            given |= {"LISTEN_TLS": f"listen 127.0.0.1:{self.tls_port} ssl", "TLS_PORT": str(self.tls_port)}
            given |= {"TLS_CERTIFICATE": str(certificate.chain), "TLS_CERTIFICATE_KEY": str(certificate.key)}
        (self.home / "conf.d").mkdir()
        (self.home / "conf.d" / "payment-service.conf").write_text(rendered(given))

    def check(self) -> str:
        """Run `nginx -t`, return its output; a fault in the configuration is an AssertionError in nginx's words."""
        result = subprocess.run(self._command("-t"), check=False, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return result.stderr

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        with (self.home / "access.log").open("wb") as lines, (self.home / "error.log").open("wb") as errors:
            self._process = subprocess.Popen(self._command(), stdout=lines, stderr=errors)
        wait_until(lambda: listens(self.port), (self.home / "error.log").read_text, patience=10)

    def lines(self) -> str:
        """Return the access log so far."""
        return (self.home / "access.log").read_text()

    def written(self) -> str:
        """Return all its output so far: the access log and standard error."""
        return self.lines() + (self.home / "error.log").read_text()

    def close(self) -> None:
        """Stop and remove everything."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
        shutil.rmtree(self.home, ignore_errors=True)

    def _command(self, *words: str) -> list[str]:
        # As root nginx would lend its workers another user, who may not enter this directory.
        directives = "daemon off; " + ("user root;" if os.geteuid() == 0 else "")
        where = ["-p", f"{self.home}/", "-c", f"{self.home}/nginx.conf", "-e", "/dev/stderr"]
        return [self._program, *where, "-g", directives, *words]
