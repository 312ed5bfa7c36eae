"""A proxy between the bridge and its directory that writes down what the bridge sends for one request.

Answers are held back for a moment, so that requests which the bridge sends without waiting between
them are all seen before the first of their answers.
"""

import re
import socket
import threading
import time

from wire import ADD, MODIFY, SEARCH, messages, operation, request_lines

HOLD_S = 0.02
STAMP = re.compile(r"(:\d{14}Z\.)[0-9a-f]{8}")


class Tap:
    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.lock, self.seen, self.sockets = threading.Lock(), [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = "ldap://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            self.sockets += [near, far]
            for source, sink, note in ((near, far, self.asked), (far, near, self.answered)):
                threading.Thread(target=self.forward, args=(source, sink, note), daemon=True).start()

    def forward(self, source, sink, note):
        rest = b""
        try:
            while data := source.recv(65536):
                whole, rest = messages(rest + data)
                for message in whole:
                    note(id(source if note == self.asked else sink), message)
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            s.close()

    def asked(self, link, message):
        if operation(message)[0] in (SEARCH, MODIFY, ADD):
            with self.lock:
                self.seen.append((link, message))

    def answered(self, link, message):
        time.sleep(HOLD_S)
        with self.lock:
            self.seen.append((link, None))

    def close(self):
        for s in (self.listener, *self.sockets):
            s.close()

    def record(self, request):
        """What the bridge sent while `request` ran, on the one connection that it used."""
        with self.lock:
            self.seen = []
        request()
        with self.lock:
            seen = self.seen
        links = {link for link, message in seen if message}
        if len(links) > 1:
            raise RuntimeError("the request used several connections")
        return [message for link, message in seen if link in links]


def script(seen, fields):
    """Lines for raw.c; `fields` are the texts of this one request that differ from request to request."""
    lines, waiting = [], False
    for message in seen:
        if message is None and waiting:
            lines.append(["wait"])
            waiting = False
        elif message is not None:
            lines += request_lines(message)
            waiting = True
    lines = [[general(field, fields) for field in line] for line in lines]
    for line in lines:
        if line[0] == "search" and line[2] == "2" and "={1})" in line[3]:
            line.append("keep")  # the entry that is changed: a version to assert is this one's
            break
    return lines


def general(text, fields):
    for number, value in sorted(enumerate(fields, 1), key=lambda pair: -len(pair[1])):
        text = text.replace(value, "{%d}" % number)
    text = re.sub(r"\(entryCSN=[^)]*\)", "(entryCSN={csn})", text)
    return STAMP.sub(r"\1{random}", text)


def describe(lines):
    """The requests of a script in one line: what runs in one round trip is joined by +."""
    trips, now = [], []
    for line in lines:
        if line[0] in ("search", "add", "modify"):
            now.append(line[0])
        elif line[0] == "wait":
            trips.append("+".join(now))
            now = []
    return ", ".join(trips)
