"""Content credentials are told as they stand in the file; changed, broken and absent ones are told from whole ones."""

import io
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from space.uploads import read_picture

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def certificate(name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, root: bool) -> bytes:
    """A certificate in PEM, as content credentials want them."""
    now = datetime.now(UTC)

    def called(common: str) -> x509.Name:
        attributes = [(NameOID.COMMON_NAME, common), (NameOID.ORGANIZATION_NAME, "Test Press")]
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])

    usage = x509.KeyUsage(True, False, False, False, False, root, root, False, False)
    builder = (
        x509.CertificateBuilder(called("Root"), called(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(root, None), True)
        .add_extension(usage, True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
    if not root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def signed() -> bytes:
    """A JPEG that says of itself, signed, that a generator made it."""
    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = certificate("Signer", key, root, False) + certificate("Root", root, root, True)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    action = {"action": "c2pa.created", "digitalSourceType": GENERATED}
    said = {
        "claim_generator_info": [{"name": "Generator 7", "version": "1.0"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, secret, None))
    source, out = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(source, "JPEG")
    c2pa.Builder(json.dumps(said)).sign(signer, "image/jpeg", io.BytesIO(source.getvalue()), out)
    return out.getvalue()


def test_credentials_are_told_as_they_stand(signed: bytes) -> None:
    """Who made the file, who signed it, what was done, and that the signature fits."""
    assert read_picture(signed, "a.jpg").about == (
        ("Content credentials by", "Generator 7 1.0"),
        ("Signed by", "Signer · Test Press (signature: valid)"),
        ("Step", "c2pa.created · trainedAlgorithmicMedia"),
    )


def test_a_changed_picture_has_an_invalid_signature(signed: bytes) -> None:
    """The picture is examined all the same."""
    at = len(signed) - 40
    changed = read_picture(signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :], "a.jpg")
    assert dict(changed.about)["Signed by"].endswith("(signature: invalid)")
    assert changed.size == (64, 48)


def test_bytes_that_are_there_by_chance_are_no_credentials(signed: bytes) -> None:
    """In a comment, for example; and credentials that are cut up are told of, not believed."""
    out = io.BytesIO()
    Image.new("RGB", (64, 48)).save(out, "JPEG", comment=b"c2pa")
    assert read_picture(out.getvalue(), "a.jpg").about == ()
    broken = signed.replace(b"jumd", b"junk")
    assert dict(read_picture(broken, "a.jpg").about) == {
        "Content credentials": "there are some, but they cannot be read here"
    }


def test_nothing_is_fetched_that_a_file_names() -> None:
    """Credentials may lie elsewhere, at an address in the file: it is not asked."""
    out = io.BytesIO()
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{}"/></rdf:RDF></x:xmpmeta>'
    )
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/a.c2pa"
    Image.new("RGB", (64, 48)).save(out, "JPEG", xmp=xmp.format(address).encode())
    assert b"c2pa" in out.getvalue()
    assert dict(read_picture(out.getvalue(), "a.jpg").about) == {
        "Content credentials": "there are some, but they cannot be read here"
    }
    server.shutdown()
    server.server_close()
    assert asked == []
