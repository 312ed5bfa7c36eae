"""LDAP requests as they stand on the wire -> lines of a script for raw.c.

Knows as much of BER as LDAP needs: definite lengths, tags of one byte.
"""

BIND, UNBIND, SEARCH, MODIFY, ADD = 0x60, 0x42, 0x63, 0x66, 0x68
ASSERT, PRE_READ, POST_READ = "1.3.6.1.1.12", "1.3.6.1.1.13.1", "1.3.6.1.1.13.2"
SEARCH_ENTRY, INTERMEDIATE = 0x64, 0x79


def element(data, at=0):
    """(tag, content, index behind), or None while it is not whole."""
    if len(data) < at + 2:
        return None
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        start += length & 0x7F
        if len(data) < start:
            return None
        length = int.from_bytes(data[at + 2:start], "big")
    end = start + length
    return (data[at], data[start:end], end) if len(data) >= end else None


def elements(data):
    found, at = [], 0
    while at < len(data):
        tag, content, at = element(data, at)
        found.append((tag, content))
    return found


def messages(data):
    """The whole messages at the head of `data`, and what is left."""
    found, at = [], 0
    while (one := element(data, at)) is not None:
        found.append(data[at:one[2]])
        at = one[2]
    return found, data[at:]


def operation(message):
    """(tag, content, controls) of a message."""
    parts = elements(element(message)[1])
    controls = parts[2][1] if len(parts) > 2 else b""
    return parts[1][0], parts[1][1], controls


def texts(data):
    return [content.decode() for _, content in elements(data)]


def escaped(raw):
    return "".join(c if c not in "\\*()\0" else f"\\{ord(c):02x}" for c in raw.decode())


def condition(tag, content):
    """A filter as text (RFC 4515)."""
    if tag in (0xA0, 0xA1):
        return "({}{})".format("&|"[tag & 1], "".join(condition(*e) for e in elements(content)))
    if tag == 0xA2:
        return "(!{})".format(condition(*elements(content)[0]))
    if tag == 0x87:
        return f"({content.decode()}=*)"
    (_, name), (_, value) = elements(content)[:2]
    if tag == 0xA4:
        return "({}={})".format(name.decode(), pieces(value))
    return "({}{}{})".format(name.decode(), {0xA3: "=", 0xA5: ">=", 0xA6: "<="}[tag], escaped(value))


def pieces(data):
    """The value of a substring filter: 0x80 initial, 0x81 any, 0x82 final."""
    text = ""
    for tag, value in elements(data):
        text += escaped(value) if tag == 0x80 else "*" + escaped(value)
    return text if tag == 0x82 else text + "*"


def number(content):
    return str(int.from_bytes(content, "big"))


def search_lines(content):
    base, scope, _, limit, _, _, (tag, filter_), attributes = elements(content)
    yield ["search", base[1].decode(), number(scope[1]), condition(tag, filter_), number(limit[1]),
           ",".join(texts(attributes[1]))]


def modify_lines(content):
    (_, dn), (_, changes) = elements(content)
    yield ["modify", dn.decode()]
    for _, change in elements(changes):
        (_, op), (_, attribute) = elements(change)
        (_, name), (_, values) = elements(attribute)
        yield ["value", number(op), name.decode(), *texts(values)]


def add_lines(content):
    (_, dn), (_, attributes) = elements(content)
    yield ["add", dn.decode()]
    for _, attribute in elements(attributes):
        (_, name), (_, values) = elements(attribute)
        yield ["value", "0", name.decode(), *texts(values)]


def control_lines(controls):
    for _, control in elements(controls):
        parts = elements(control)
        oid, value = parts[0][1].decode(), parts[-1][1]
        critical = "1" if any(tag == 0x01 and content != b"\0" for tag, content in parts) else "0"
        if oid == ASSERT:
            yield ["assert", critical, condition(*element(value)[:2])]
        elif oid in (PRE_READ, POST_READ):
            yield ["pre" if oid == PRE_READ else "post", critical, ",".join(texts(element(value)[1]))]
        else:
            raise ValueError(f"control {oid} has no line in a script")


LINES = {SEARCH: search_lines, MODIFY: modify_lines, ADD: add_lines}


def request_lines(message):
    tag, content, controls = operation(message)
    return [*LINES[tag](content), *control_lines(controls)]
