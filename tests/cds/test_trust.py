"""Whose requests are answered where clients are named: those with a good token of their own, each used once."""

import asyncio
import base64
import dataclasses
import hmac
import http.server
import json
import threading
import time
import uuid
from contextlib import contextmanager

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from features.errors import ParamsError
from pipeline.cds.settings import DEFAULT, CdsSettings
from pipeline.cds.trust import Trust
from pipeline.params import CdsHooksParams

BASE, ISSUER = "https://cds.example.org", "https://fhir-ehr.example.com/"
DISCOVERY = "/cds-services"
TOKEN = "a-token-that-is-long-enough-for-a-clinic"
EC, OTHER, RSA = (
    ec.generate_private_key(ec.SECP384R1()),
    ec.generate_private_key(ec.SECP384R1()),
    rsa.generate_private_key(65537, 2048),
)


def public(key, kid, algorithm):
    maker = jwt.algorithms.ECAlgorithm if algorithm.startswith("ES") else jwt.algorithms.RSAAlgorithm
    return {**json.loads(maker.to_jwk(key.public_key())), "kid": kid, "use": "sig", "alg": algorithm}


KEYS = {"keys": [public(EC, "ec", "ES384"), public(RSA, "rsa", "RS384")]}


def now():
    return int(time.time())


def token(path=DISCOVERY, key=EC, algorithm="ES384", head=None, **claims):
    said = {"iss": ISSUER, "aud": BASE + path, "exp": now() + 60, "iat": now(), "jti": str(uuid.uuid4()), **claims}
    kid = "ec" if algorithm == "ES384" else "rsa"
    known = {name: value for name, value in said.items() if value is not None}
    said_first = {name: value for name, value in {"kid": kid, **(head or {})}.items() if value is not None}
    return jwt.encode(known, key, algorithm, headers=said_first)


def bearer(*what, **how):
    return {"Authorization": f"Bearer {token(*what, **how)}"}


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "jwks.json"
    file.write_text(json.dumps(KEYS))
    return file


@pytest.fixture(scope="module")
def guarded(served, key_file):
    with served(token=TOKEN, clients={ISSUER: str(key_file)}) as one:
        yield one


@pytest.mark.parametrize(("key", "algorithm"), [(EC, "ES384"), (RSA, "RS384")])
def test_a_hospital_signs_every_request_from_discovery_to_feedback(guarded, chart, key, algorithm):
    ehr = chart.Ehr(guarded, sign=lambda path: f"Bearer {token(path, key, algorithm)}")
    (card,) = ehr.cards("order-sign", [chart.order()])
    assert ehr.feed_back("order-sign", chart.overridden(card["uuid"])).json() == {"stored": 1}


def test_the_token_of_the_page_opens_no_service_and_that_of_a_client_no_page(guarded):
    """Each has its own door: what a hospital's system signs does not read past answers."""
    assert guarded("GET", DISCOVERY, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 401
    assert guarded("GET", "/models", headers=bearer("/models")).status_code == 401
    assert guarded("GET", "/models", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def signed_with_the_public_key():
    """The attack that takes the public key, which everybody has, as a shared secret."""
    secret = EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    said = jwt.decode(token(), options={"verify_signature": False})
    parts = [{"alg": "HS384", "typ": "JWT", "kid": "ec"}, said]
    message = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, message, "sha384")).rstrip(b"=")
    return (message + b"." + signature).decode()


BAD = {
    "no token": (lambda: "", 401, "Sign each request"),
    "no token of this kind": (lambda: "Bearer a.b.c", 401, "no JSON Web Token"),
    "not signed": (lambda: f"Bearer {token(key=None, algorithm='none', head={'kid': 'ec'})}", 401, "head of the token"),
    "signed with a shared secret": (lambda: f"Bearer {signed_with_the_public_key()}", 401, "head of the token"),
    "signed by another": (lambda: f"Bearer {token(key=OTHER)}", 401, "signature or a time"),
    "a key that there is none of": (lambda: f"Bearer {token(head={'kid': 'third'})}", 401, "no key of that name"),
    "no key named": (lambda: f"Bearer {token(head={'kid': None})}", 401, "head of the token"),
    "another algorithm than the key's": (
        lambda: f"Bearer {token(key=RSA, algorithm='RS384', head={'kid': 'ec'})}",
        401,
        "signature or a time",
    ),
    "expired": (lambda: f"Bearer {token(exp=now() - 60, iat=now() - 100)}", 401, "has expired"),
    "not yet issued": (lambda: f"Bearer {token(iat=now() + 600, exp=now() + 660)}", 401, "signature or a time"),
    "lives too long": (lambda: f"Bearer {token(exp=now() + 3600)}", 401, "may live for"),
    "older than the service": (
        lambda: f"Bearer {token(iat=now() - 250, exp=now() + 20)}",
        401,
        "before this service started",
    ),
    "for another service": (lambda: f"Bearer {token('/cds-services/other')}", 401, "for another address"),
    "for another host": (lambda: f"Bearer {token(aud='https://evil.example' + DISCOVERY)}", 401, "for another address"),
    "without aud": (lambda: f"Bearer {token(aud=None)}", 401, "needs the claims"),
    "without exp": (lambda: f"Bearer {token(exp=None)}", 401, "needs the claims"),
    "without iat": (lambda: f"Bearer {token(iat=None)}", 401, "needs the claims"),
    "without jti": (lambda: f"Bearer {token(jti=None)}", 401, "needs the claims"),
    "a jti without end": (lambda: f"Bearer {token(jti='x' * 300)}", 401, "name of the token"),
    "too long": (lambda: f"Bearer {token(more='x' * 8000)}", 401, "Sign each request"),
    "of another kind": (lambda: f"Bearer {token(head={'typ': 'at+jwt'})}", 401, "head of the token"),
    "a client that nobody named": (lambda: f"Bearer {token(iss='https://evil.example')}", 403, "issuer of the token"),
    "without iss": (lambda: f"Bearer {token(iss=None)}", 403, "issuer of the token"),
}


@pytest.mark.parametrize("wrong", BAD)
def test_a_token_that_is_not_good_is_refused(guarded, wrong):
    authorization, status, why = BAD[wrong]
    headers = {"Authorization": authorization()} if authorization() else {}
    response = guarded("GET", DISCOVERY, headers=headers)
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert why in response.json()["detail"]


def test_a_token_is_good_once(guarded):
    headers = bearer()
    assert guarded("GET", DISCOVERY, headers=headers).status_code == 200
    again = guarded("GET", DISCOVERY, headers=headers)
    assert again.status_code == 401
    assert "used before" in again.json()["detail"]


def test_used_tokens_are_forgotten_once_they_have_expired(key_file):
    params = dataclasses.replace(DEFAULT, base_url=BASE, clients={ISSUER: str(key_file)})
    now = [time.time()]
    trust = Trust(CdsSettings(params=params), clock=lambda: now[0])
    for _ in range(3):
        asyncio.run(trust.refuse_strangers(f"Bearer {token()}", [DISCOVERY]))
    assert len(trust._used) == 3
    now[0] += 120
    asyncio.run(trust.refuse_strangers(f"Bearer {token()}", [DISCOVERY]))
    assert len(trust._used) == 1


@contextmanager
def address_of_keys():
    """Serves the keys at an address of this machine, and counts who asks."""
    asked = []

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = json.dumps(KEYS).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_keys_come_from_the_address_that_is_agreed_and_never_from_one_in_the_token(served):
    with address_of_keys() as (ours, asked), address_of_keys() as (theirs, asked_there):
        with served(clients={ISSUER: f"{ours}/keys"}) as service:
            assert service("GET", DISCOVERY, headers=bearer(head={"jku": f"{ours}/keys"})).status_code == 200
            assert service("GET", DISCOVERY, headers=bearer(head={"jku": f"{theirs}/keys"})).status_code == 403
            for _ in range(5):
                assert service("GET", DISCOVERY, headers=bearer(head={"kid": "third"})).status_code == 401
        assert asked == ["/keys"]
        assert asked_there == []
    with served(clients={ISSUER: f"{ours}/keys"}) as service:
        assert service("GET", DISCOVERY, headers=bearer()).status_code == 503


def test_keys_that_are_changed_in_their_file_hold_at_once(served, tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [public(OTHER, "ec", "ES384")]}))
    with served(clients={ISSUER: str(file)}) as service:
        assert service("GET", DISCOVERY, headers=bearer()).status_code == 401
        file.write_text(json.dumps(KEYS))
        assert service("GET", DISCOVERY, headers=bearer()).status_code == 200


@pytest.mark.parametrize("content", [None, "", "[]", '{"keys": []}', "no json"])
def test_a_service_does_not_start_without_the_keys_that_it_names(tmp_path, content):
    file = tmp_path / "jwks.json"
    if content is not None:
        file.write_text(content)
    params = dataclasses.replace(DEFAULT, base_url=BASE, clients={ISSUER: str(file)})
    with pytest.raises(ParamsError, match="holds no set of public keys"):
        Trust(CdsSettings(params=params))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"clients": {ISSUER: "keys.json"}}, "base_url is empty"),
        ({"base_url": BASE, "clients": {ISSUER: ""}}, "names no keys"),
        ({"base_url": BASE, "clients": {ISSUER: "http://ehr.example.com/keys"}}, "must be an https:// address"),
        ({"base_url": BASE + "/"}, "without a / at its end"),
        ({"base_url": "cds.example.org"}, "must be an https:// address"),
        ({"fhir_servers": ["http://fhir.example.org"]}, "must be an https:// address"),
        ({"fhir_servers": ["https://someone@fhir.example.org"]}, "must be an https:// address"),
        ({"least_known": 1.5}, "least_known"),
    ],
)
def test_choices_that_would_open_a_door_are_refused(chosen, words):
    with pytest.raises(ParamsError, match=words):
        CdsHooksParams(**{**dataclasses.asdict(DEFAULT), **chosen})
