"""Receivers of webhooks: real https servers on this machine, with certificates of a made-up authority."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest
import trustme

from tests.webhooks.made_messages import HOST


@dataclass
class Receiver:
    """An https server and what it was sent.

    Attributes:
        endless: the body of its answer does not end.
        names: for which clients asked (SNI).
        requests: path, headers and body of each.
    """

    port: int
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    endless: bool = False
    names: list[str | None] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def url(self, host: str = HOST, path: str = "/hook") -> str:
        return f"https://{host}:{self.port}{path}"


@pytest.fixture(scope="session")
def authority():
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """The authority is the only one that this process trusts."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


@pytest.fixture
def certify(authority):
    """Makes what a server needs to prove that it has some names."""

    def make(*names, issuer=authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert(*names, key_type=trustme.KeyType.ECDSA).configure_cert(context)
        return context

    return make


@pytest.fixture
def receive(certify):
    """Runs a receiver with a certificate for some names."""

    @contextmanager
    def running(*names, **options):
        receiver = Receiver(port=0)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
        server.daemon_threads = False
        context = certify(*names, **options)
        context.sni_callback = lambda _, name, __: receiver.names.append(name)
        # The handshake happens in the thread of the request, where its failure is no failure of the server.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return running


def _handler(receiver):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            time.sleep(receiver.pause_s)
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()
            while receiver.endless:
                self.wfile.write(bytes(65536))

        do_GET = do_POST

        def log_message(self, format, *arguments):
            pass

    return Handler


@pytest.fixture
def names(monkeypatch):
    """The DNS: addresses of names. Addresses stand for themselves."""
    known = {HOST: ["127.0.0.1"]}

    async def resolve(host, port, **options):
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
            found = [host]
        except OSError:
            if host not in known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
            found = known[host]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in found
        ]

    monkeypatch.setattr(anyio, "getaddrinfo", resolve)
    return known
