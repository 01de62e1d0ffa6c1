"""A proxy that ends TLS in front of the deployed one, and clients with addresses of their own, all on loopback."""

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tests.support.certificates import Certificate
from tests.support.nginx import Nginx, nginx_program
from tests.support.ports import free_port, listens
from tests.support.waiting import wait_until

ADDRESS = "127.0.0.2"
"""From here the terminator asks."""
INSIDER, STRANGER, FLOODER = "127.0.0.5", "127.0.0.50", "127.0.0.60"

_CONFIGURATION = """
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 200; }}
http {{
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        large_client_header_buffers 4 16k;
        proxy_buffer_size 32k;
        proxy_buffers 8 32k;
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_bind {address};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


class Terminator:
    """A second nginx: ends TLS on `tls_port`, takes plain requests on `port`, and hands all to the proxy `behind`.

    As usual, it appends its client's address to any list of addresses that the client has sent.
    """

    def __init__(self, behind: Nginx, certificate: Certificate) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="terminator-", dir="/tmp"))
        self.port, self.tls_port = free_port(), free_port()
        (self.home / "nginx.conf").write_text(
            _CONFIGURATION.format(
                port=self.port,
                tls_port=self.tls_port,
                behind=behind.port,
                address=ADDRESS,
                chain=certificate.chain,
                key=certificate.key,
            )
        )
        directives = "daemon off; " + ("user root;" if os.geteuid() == 0 else "")
        where = ["-p", f"{self.home}/", "-c", f"{self.home}/nginx.conf", "-e", f"{self.home}/error.log"]
        self._process = subprocess.Popen([nginx_program(), *where, "-g", directives])
        wait_until(lambda: listens(self.port) and listens(self.tls_port), patience=10)

    def close(self) -> None:
        """Stop and remove everything."""
        self._process.terminate()
        self._process.wait(timeout=10)
        shutil.rmtree(self.home, ignore_errors=True)


def admit(nginx: Nginx) -> Nginx:
    """Make insiders of the addresses 127.0.0.0 to .7 alone, the terminator's among them."""
    deployed = nginx.home / "conf.d" / "payment-service.conf"
    text = deployed.read_text()
    assert "allow 127.0.0.0/8;" in text
    deployed.write_text(text.replace("allow 127.0.0.0/8;", "allow 127.0.0.0/29;"))
    return nginx


class _From(HTTPAdapter):
    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **options)


def client(address: str, certificate: Certificate) -> requests.Session:
    """Return a client with this loopback address, which trusts the test's authority and follows no redirect."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(certificate.authority)
    session.mount("http://", _From(address))
    session.mount("https://", _From(address))
    return session


def handshake(port: int, certificate: Certificate, version: ssl.TLSVersion) -> str:
    """Return the version that a client which offers only this one agrees on, or the server's alert."""
    context = ssl.create_default_context(cafile=str(certificate.authority))
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # otherwise this side itself refuses old versions
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what is tried
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as encrypted:
                return str(encrypted.version())
        except ssl.SSLError as error:
            return str(error.reason)
