"""A TCP proxy between bridge and directory that makes faults on purpose.

It knows where an LDAP message ends and what operation it is, and nothing else:

    proxy = FaultProxy(("127.0.0.1", 389)) # point the bridge at proxy.uri
    proxy.latency = 0.2                    # seconds before each message of the directory
    proxy.sliced = True                    # answers arrive byte by byte
    proxy.stall(), proxy.resume()          # half-open: nothing is forwarded, nothing is closed
    proxy.refusing = True                  # new connections are reset
    proxy.codes = {"search": 51}           # such requests are answered with that result, and not forwarded
    proxy.reset()                          # every open connection gets a RST
    proxy.dismiss()                        # every open connection gets a Notice of Disconnection, and its end
    proxy.lose_answer("add")               # the next answer of an add never arrives: connection reset
    proxy.cut_request("modify", passing=2) # two pass, the third is not forwarded: connection reset
    proxy.late_request("modify", looks=1)  # as if cut, but it arrives: before the second search from then on is forwarded
    proxy.before_request("modify", passing=1, action=...)  # the action runs just before the second is forwarded; the
                                           # other connections go on
    proxy.forgets = 2                      # so many feeds that come back with a cookie are told that it is too old (4096)
    proxy.follows                          # the requests of searches that stay, to be told what changes
    proxy.feed_lag = 0.5                   # seconds by which the feed's events, and they alone, are late
    proxy.seen                             # names of the requests that were forwarded, in order
"""

import socket
import struct
import threading
import time

REQUESTS = {0x60: "bind", 0x42: "unbind", 0x63: "search", 0x66: "modify", 0x68: "add", 0x4A: "delete",
            0x6C: "rename", 0x6E: "compare", 0x50: "abandon", 0x77: "extended"}
ANSWERS = {0x61: "bind", 0x64: "entry", 0x65: "search", 0x67: "modify", 0x69: "add", 0x6B: "delete",
           0x6D: "rename", 0x6F: "compare", 0x78: "extended", 0x79: "intermediate"}
WRITES = ("add", "modify", "delete", "rename")
SYNC, REFRESH_REQUIRED = b"1.3.6.1.4.1.4203.1.9.1.1", 4096  # RFC 4533
PERSISTS = b"\x0a\x01\x03"
NOTICE = b"\x30\x24\x02\x01\x00\x78\x1f\x0a\x01\x34\x04\x00\x04\x00\x8a\x16" b"1.3.6.1.4.1.1466.20036"  # of Disconnection: unavailable


def ber_end(data, at):
    """Index behind the element at `at`, and where its content starts; None while it is not whole."""
    if len(data) < at + 2:
        return None
    length, content = data[at + 1], at + 2
    if length >= 0x80:
        digits = length & 0x7F
        if len(data) < content + digits:
            return None
        length = int.from_bytes(data[content:content + digits], "big")
        content += digits
    return (content + length, content) if len(data) >= content + length else None


def operation(message, names):
    """"other" also of what is no LDAP message: TLS, once it has begun."""
    _, content = ber_end(message, 0)
    behind_id, _ = ber_end(message, content) or (len(message), None)
    return names.get(message[behind_id], "other") if behind_id < len(message) else "other"


def result(request, code):
    """The answer to a request: no entries, that code."""
    _, content = ber_end(request, 0)
    behind_id, _ = ber_end(request, content)
    tags = {name: tag for tag, name in ANSWERS.items()}
    digits = code.to_bytes(1 if code < 128 else 2, "big")
    body = bytes((0x0A, len(digits), *digits, 4, 0, 4, 0))
    parts = request[content:behind_id] + bytes((tags[operation(request, REQUESTS)], len(body))) + body
    return bytes((0x30, len(parts))) + parts


class Trap:
    """Springs at the first message of `names` after `passing` others of them."""

    def __init__(self, names, passing, action, cuts=True):
        self.names, self.passing, self.action, self.cuts = names, passing, action, cuts
        self.looks = self.server = self.message = None  # of one that makes late
        self.sprung, self.arrived = threading.Event(), threading.Event()

    def arrive(self):
        self.server.sendall(self.message)
        self.arrived.wait(30)

    def catches(self, name):
        if self.sprung.is_set() or name not in self.names:
            return False
        if self.passing > 0:
            self.passing -= 1
            return False
        self.sprung.set()
        return True


class FaultProxy:
    def __init__(self, target):
        self.target = target
        self.latency, self.feed_lag, self.sliced, self.refusing = 0.0, 0.0, False, False
        self.codes, self.forgets = {}, 0
        self.seen, self.follows, self.traps, self.pairs, self.late = [], [], {"request": [], "answer": []}, [], []
        self.flowing, self.lock = threading.Event(), threading.Lock()
        self.flowing.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = "ldap://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.accepting = self.spawn(self.accept)

    @staticmethod
    def spawn(work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        thread.start()
        return thread

    def stall(self):
        self.flowing.clear()

    def resume(self):
        self.flowing.set()

    def lose_answer(self, *names, passing=0, action=None):
        return self.set_trap("answer", names or WRITES, passing, action)

    def cut_request(self, *names, passing=0, action=None):
        return self.set_trap("request", names or WRITES, passing, action)

    def late_request(self, *names, passing=0, looks=0):
        trap = self.set_trap("request", names or WRITES, passing, None)
        trap.looks = looks
        return trap

    def before_request(self, *names, passing=0, action=None):
        return self.set_trap("request", names or WRITES, passing, action, cuts=False)

    def set_trap(self, direction, names, passing, action, cuts=True):
        """`action` runs when it springs, before the reset: to kill a server at just this moment."""
        trap = Trap(names, passing, action, cuts)
        self.traps[direction].append(trap)
        return trap

    def reset(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            abort(pair)

    def dismiss(self):
        with self.lock:
            clients = [client for client, _ in self.pairs]
        for client in clients:
            try:
                client.sendall(NOTICE)
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which else may go on with the number that the next proxy gets
        self.accepting.join()
        self.listener.close()
        self.resume()
        self.reset()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = None if self.refusing else connected(self.target)
            except OSError:
                server = None
            if not server:
                abort((client,))
                continue
            server.settimeout(None)
            for s in (client, server):
                if s.family == socket.AF_INET:
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (client, server)
            with self.lock:
                self.pairs.append(pair)
            self.spawn(self.pump, pair, client, server, "request")
            self.spawn(self.pump, pair, server, client, "answer")

    def pump(self, pair, source, sink, direction):
        is_feed = False
        try:
            for message in messages(source):
                self.flowing.wait()
                is_feed = is_feed or direction == "answer" and operation(message, ANSWERS) == "intermediate"
                if is_feed:
                    time.sleep(self.feed_lag)
                code = direction == "request" and self.code_of(message)
                if code:
                    source.sendall(result(message, code))
                elif not self.forward(message, sink, direction):
                    break
        except OSError:
            pass
        late = [t for t in self.late if t.server in pair]
        abort((source,) if late and direction == "request" else pair)
        for trap in late if direction == "answer" else ():
            trap.arrived.set()

    def code_of(self, message):
        """What the directory is made to answer; 0: what it does."""
        if SYNC in message and b"csn=" in message:
            with self.lock:
                self.forgets, left = max(self.forgets - 1, 0), self.forgets
            if left:
                return REFRESH_REQUIRED
        return self.codes.get(operation(message, REQUESTS), 0)

    def sprung(self, direction, name):
        """All that let it pass, up to the first that cuts: the others wait for the next message."""
        found = []
        for trap in self.traps[direction]:
            if trap.catches(name):
                found.append(trap)
                if trap.cuts:
                    break
        return found

    def forward(self, message, sink, direction):
        """False when the connection ends here."""
        name = operation(message, REQUESTS if direction == "request" else ANSWERS)
        with self.lock:
            sprung = self.sprung(direction, name)
        for trap in sprung:
            if trap.action:
                trap.action()
        if sprung and sprung[-1].cuts:
            if sprung[-1].looks is not None:
                sprung[-1].server, sprung[-1].message = sink, message
                self.late.append(sprung[-1])
            return False
        if direction == "request":
            if name == "search":
                self.let_arrive()
            self.seen.append(name)
            if PERSISTS in message.partition(SYNC)[2]:
                self.follows.append(message)
            sink.sendall(message)
            return True
        time.sleep(self.latency)
        pieces = [message[i:i + 1] for i in range(len(message))] if self.sliced else [message]
        for piece in pieces:
            sink.sendall(piece)
        return True

    def let_arrive(self):
        with self.lock:
            due = [t for t in self.late if t.looks == 0]
            for trap in self.late:
                trap.looks -= 1
        for trap in due:
            trap.arrive()


def connected(target):
    """`target` is an address or the path of a socket."""
    if not isinstance(target, str):
        return socket.create_connection(target, timeout=10)
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(10)
    server.connect(target)
    return server


def messages(source):
    """Whole LDAP messages from a socket, until it ends."""
    data = b""
    while True:
        end = ber_end(data, 0)
        if end:
            yield data[:end[0]]
            data = data[end[0]:]
            continue
        more = source.recv(65536)
        if not more:
            return
        data += more


def abort(pair):
    """Closes with a RST, also under a thread that is blocked in recv."""
    for s in pair:
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.shutdown(socket.SHUT_RD)
        except OSError:
            pass
        s.close()
