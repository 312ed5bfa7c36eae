"""A browser without a window: keeps the page's cookie, and says what the page's modules say."""

import json
import re
import html

from kiopslab import entries
from scim import Scim, ask

COOKIE = "kiops"


class Visitor(Scim):
    """As Scim, but by the session. `csrf` is what the page was told; None: nothing is sent."""

    def __init__(self, bridge):
        super().__init__(bridge.url, None)
        self.page, self.cookie, self.csrf = bridge.page, None, None

    def visit(self, method, path, body=None, **headers):
        """A request to the page itself; header names with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        if self.cookie:
            sent.setdefault("Cookie", f"{COOKIE}={self.cookie}")
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask(self.page, method, path, body, sent)

    def sign_in(self, name, password=entries.SAMPLE_PASSWORD):
        """The answer; on success the cookie is kept and the page asked for the rest."""
        answer = self.visit("POST", "/login", {"userName": name, "password": password}, X_Kiops_Csrf="page")
        if answer.status == 200:
            self.cookie = re.match(rf"{COOKIE}=([^;]+);", answer.headers["Set-Cookie"])[1]
            self.csrf = self.told("/me")["csrf"]
        return answer

    def told(self, path):
        """What the HTML at `path` tells the modules."""
        text = self.visit("GET", path).text.decode()
        return json.loads(html.unescape(re.search(r'<meta name="kiops" content="([^"]*)">', text)[1]))

    def call(self, method, path, body=None, headers=None, content_type="application/json"):
        own = {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        if self.csrf:
            own["X-Kiops-Csrf"] = self.csrf
        if method == "DELETE" or body is not None:
            own["Content-Type"] = content_type
        return super().call(method, path, body, own | (headers or {}), content_type)
