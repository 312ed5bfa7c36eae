"""The names and passwords of the sample directory."""

import secrets
from dataclasses import dataclass, field

BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
PENDING = f"ou=pending,{BASE}"
ORGANIZATIONS = f"ou=organizations,{BASE}"
PLATFORM = f"ou=kiops,{BASE}"
TOKENS = f"ou=tokens,{PLATFORM}"
JOBS = f"ou=jobs,{PLATFORM}"
ADMINS = f"cn=platform-admins,{PLATFORM}"
PLACEHOLDER = f"cn=nobody,{PLATFORM}"
SERVICES = f"ou=services,{BASE}"
BRIDGE = f"cn=kiops-bridge,{SERVICES}"
OPERATOR = f"cn=kiops-operator,{SERVICES}"
ROOT = f"cn=admin,{BASE}"  # the directory's administrator: slapd's rootdn, never the bridge

CLIENT = "sample"  # the provisioning client of the sample data and of the token of `make run`


def new_password():
    return secrets.token_urlsafe(18)


@dataclass
class Passwords:
    root: str = field(default_factory=new_password)
    bridge: str = field(default_factory=new_password)
    operator: str = field(default_factory=new_password)
    cursor: str = field(default_factory=lambda: secrets.token_hex(32))  # of all bridges on one directory
    session: str = field(default_factory=lambda: secrets.token_hex(32))  # the same


def user_dn(uid):
    return f"uid={uid},{PEOPLE}"


def organization_dn(name):
    return f"cn={name},{ORGANIZATIONS}"
