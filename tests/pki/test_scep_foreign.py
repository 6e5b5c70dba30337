"""SCEP with a client that nobody here wrote: `scepclient` of Debian's package scep."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from corral.pki import cms, scep
from corral.pki.authority import Authority, connection_of, issue_identity

CLIENT = shutil.which("scepclient")
pytestmark = pytest.mark.skipif(CLIENT is None, reason="scepclient is missing: apt-get install scep")

CHALLENGE = "open sesame"


class Handler(BaseHTTPRequestHandler):
    authority: ClassVar[Authority]
    capabilities: ClassVar[bytes]
    certificates: ClassVar[tuple[bytes, ...]] = ()
    seen: ClassVar[list[scep.Request | scep.Refusal]]
    methods: ClassVar[list[str]]

    def do_GET(self) -> None:
        query = self.path.partition("?")[2]
        if "operation=GetCACaps" in query:
            self.answer("text/plain", self.capabilities)
        elif "operation=GetCACert" in query and len(self.certificates) == 1:
            self.answer("application/x-x509-ca-cert", self.certificates[0])
        elif "operation=GetCACert" in query:
            self.answer("application/x-x509-ca-ra-cert", cms.certificates_only(self.certificates))
        else:
            self.enroll(scep.read_message_parameter(query.encode()))

    def do_POST(self) -> None:
        self.enroll(self.rfile.read(int(self.headers["Content-Length"])))

    def enroll(self, message: bytes) -> None:
        request = scep.read_request(message, self.authority)
        self.seen.append(request)
        self.methods.append(self.command)
        if isinstance(request, scep.Refusal) or request.challenge != CHALLENGE:
            self.answer("application/x-pki-message", scep.reply_refused(request, self.authority))
            return
        now = datetime.now(UTC)
        certificate = issue_identity(
            self.authority,
            request.public_key,
            common_name="granted",
            connection="6f1c5a0e-2f43-4c3e-9b0c-0d7f0a5d4c11",
            not_before=now - timedelta(hours=1),
            not_after=now + timedelta(days=365),
        )
        self.answer("application/x-pki-message", scep.reply_issued(request, self.authority, certificate))

    def answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def handler(authority: Authority) -> Iterator[tuple[type[Handler], str]]:
    class Fresh(Handler):
        pass

    Fresh.authority = authority
    Fresh.certificates = (authority.der,)
    Fresh.capabilities = scep.CAPABILITIES
    Fresh.seen = []
    Fresh.methods = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Fresh) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Fresh, f"http://127.0.0.1:{server.server_port}/scep"
        server.shutdown()
        thread.join()


def enroll(url: str, folder: Path, challenge: str = CHALLENGE) -> subprocess.CompletedProcess[str]:
    assert CLIENT is not None
    return subprocess.run(
        [
            *(CLIENT, "-server-url", url, "-challenge", challenge, "-cn", "foreign"),
            *(
                "-private-key",
                str(folder / "client.key"),
                "-certificate",
                str(folder / "client.pem"),
                "-debug",
            ),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def check_issued(folder: Path, authority: Authority) -> None:
    certificate = x509.load_pem_x509_certificate((folder / "client.pem").read_bytes())
    certificate.verify_directly_issued_by(authority.certificate)
    key = load_pem_private_key((folder / "client.key").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    assert certificate.subject.rfc4514_string() == "CN=granted"


def test_it_enrolls_and_renews(handler: tuple[type[Handler], str], authority: Authority, tmp_path: Path) -> None:
    server, url = handler
    done = enroll(url, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    check_issued(tmp_path, authority)
    again = enroll(url, tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    check_issued(tmp_path, authority)

    first, second = server.seen
    assert isinstance(first, scep.Request)
    assert isinstance(second, scep.Request)
    assert first.message_type is scep.MessageType.PKCS_REQ
    assert second.message_type is scep.MessageType.RENEWAL_REQ
    assert connection_of(second.signer) == "6f1c5a0e-2f43-4c3e-9b0c-0d7f0a5d4c11"
    # What it sends is as old as it gets, which is why it is a good client to be understood by.
    assert (first.digest, first.cipher) == ("sha1", "des-cbc")


def test_it_finds_the_authority_among_several_certificates(
    handler: tuple[type[Handler], str],
    authority: Authority,
    rsa_certificate: x509.Certificate,
    tmp_path: Path,
) -> None:
    server, url = handler
    server.certificates = (authority.der, rsa_certificate.public_bytes(Encoding.DER))
    done = enroll(url, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    check_issued(tmp_path, authority)


@pytest.mark.parametrize(
    ("capabilities", "method"),
    [(scep.CAPABILITIES, "POST"), (b"SHA-256\nAES\n", "GET"), (b"", "GET")],
)
def test_it_sends_what_the_capabilities_say(
    handler: tuple[type[Handler], str], authority: Authority, tmp_path: Path, capabilities: bytes, method: str
) -> None:
    server, url = handler
    server.capabilities = capabilities
    done = enroll(url, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.methods == [method]
    check_issued(tmp_path, authority)


def test_it_understands_a_refusal(handler: tuple[type[Handler], str], tmp_path: Path) -> None:
    server, url = handler
    done = enroll(url, tmp_path, "wrong")
    assert done.returncode != 0
    assert "badRequest" in done.stdout + done.stderr
    assert not (tmp_path / "client.pem").exists()
    assert len(server.seen) == 1
