"""An OIDC issuer: a real HTTP server with its configuration and keys, and tokens signed in any way."""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

AUDIENCE = "kiops"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class RsaKey:
    algorithm = "RS256"

    def __init__(self, kid, bits=2048):
        self.kid, self.private = kid, rsa.generate_private_key(65537, bits)

    def jwk(self, **more):
        public = self.private.public_key().public_numbers()
        return {"kty": "RSA", "kid": self.kid, "n": number(public.n), "e": number(public.e), **more}

    def sign(self, text):
        return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())

    def pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo)


class EcKey:
    algorithm = "ES256"

    def __init__(self, kid):
        self.kid, self.private = kid, ec.generate_private_key(ec.SECP256R1())

    def jwk(self, **more):
        public = self.private.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": number(public.x, 32), "y": number(public.y, 32), **more}

    def sign(self, text):
        r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class SharedKey:
    algorithm = "HS256"

    def __init__(self, kid, secret):
        self.kid, self.secret = kid, secret

    def jwk(self, **more):
        return {"kty": "oct", "kid": self.kid, "k": b64(self.secret), **more}

    def sign(self, text):
        return hmac.new(self.secret, text, hashlib.sha256).digest()


class NoKey:
    algorithm, kid = "none", None

    def sign(self, text):
        return b""


class Issuer:
    """`keys` are the JWKs that it publishes now; `asked` the paths that were fetched."""

    def __init__(self):
        self.main = RsaKey("main")
        self.keys, self.asked, self.down, self.pages = [self.main.jwk()], [], False, {}
        self.codes, self.secret, self.subject, self.more = {}, None, None, {}  # who signs in next, with which further claims
        self.answering = threading.Event()  # cleared: who asks waits
        self.answering.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                issuer.answering.wait()
                status, page = issuer.answer(self.path)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", page)
                    page = b""
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                try:
                    self.wfile.write(page)
                except OSError:
                    pass  # the other side had enough

            def do_POST(self):
                issuer.asked.append(self.path)
                issuer.answering.wait()
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                status, page = issuer.redeem(form, self.headers.get("Authorization"))
                page = json.dumps(page).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/realm"
        self.client = f"127.0.0.1-{self.server.server_port}-realm"  # as the bridge names it
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def answer(self, path):
        if self.down:
            return 500, b"down"
        if path in self.pages:
            return self.pages[path]
        if path == "/realm/.well-known/openid-configuration":
            return 200, json.dumps({"issuer": self.url, "jwks_uri": self.url + "/keys",
                                    "authorization_endpoint": self.url + "/authorize", "token_endpoint": self.url + "/token"}).encode()
        if path.startswith("/realm/authorize?"):
            return 302, self.authorize(path)
        if path == "/realm/keys":
            return 200, json.dumps({"keys": self.keys}).encode()
        return 404, b""

    def authorize(self, address):
        """Where a browser is sent that came to `address` and whose person agreed: back, with a code."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
        code = b64(os.urandom(12))
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urllib.parse.urlencode({'code': code, 'state': query['state']})}"

    def redeem(self, form, authorization):
        """RFC 6749 4.1.3, RFC 7636 4.6; a code is good once."""
        asked = self.codes.pop(form.get("code"), None)
        if self.secret and authorization != "Basic " + base64.b64encode(f"page:{self.secret}".encode()).decode():
            return 401, {"error": "invalid_client"}
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if not asked or form["redirect_uri"] != asked["redirect_uri"] or challenge != asked["code_challenge"] or form["client_id"] != asked["client_id"]:
            return 400, {"error": "invalid_grant"}
        claims = {"aud": asked["client_id"], "nonce": asked["nonce"], **self.more}
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": self.token(self.subject, **claims)}

    def count(self, path="/realm/keys"):
        return self.asked.count(path)

    def close(self):
        self.answering.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def claims(self, subject, **more):
        now = int(time.time())
        all_of_them = {"iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": now, "nbf": now, "exp": now + 300, **more}
        return {name: value for name, value in all_of_them.items() if value is not None}

    def token(self, subject, key=None, header=None, **claims):
        """Claims and parts of the header that are None are left out."""
        key = key or self.main
        head = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT", **(header or {})}
        return signed({n: v for n, v in head.items() if v is not None}, self.claims(subject, **claims), key)


def signed(head, claims, key):
    """`head` and `claims`: objects, or text as it is."""
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (head, claims)]
    text = ".".join(b64(part.encode()) for part in parts)
    return f"{text}.{b64(key.sign(text.encode()))}"
