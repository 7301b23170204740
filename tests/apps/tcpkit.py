#!/usr/bin/env python3
"""Small programs over sockets for the tests in this folder, one per word: tcpkit.py WORD ARGS.

All are ordinary socket programs that know nothing of any stack. Servers print "ready" once they
listen. Each function's comment says what it does and what it prints.
"""
import errno
import hashlib
import os
import select
import signal
import socket
import struct
import sys
import time


def say(*words):
    print(*words, flush=True)


def listener(port, backlog=512):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", port))
    s.listen(backlog)
    return s


def payload(size, salt=0):
    """Bytes that differ at every place and for every salt, so that no mix-up goes unnoticed."""
    out = bytearray()
    block = 0
    while len(out) < size:
        out += hashlib.sha256(b"%d/%d" % (salt, block)).digest()
        block += 1
    return bytes(out[:size])


def receive_exactly(s, size):
    out = bytearray()
    while len(out) < size:
        got = s.recv(min(size - len(out), 1 << 16))
        if not got:
            raise EOFError("end of stream after %d of %d bytes" % (len(out), size))
        out += got
    return bytes(out)


class EchoConnection:
    def __init__(self, sock):
        self.sock, self.pending, self.eof = sock, bytearray(), False

    def events(self):
        reading = 0 if self.eof or len(self.pending) > 1 << 20 else select.POLLIN
        return reading | (select.POLLOUT if self.pending else 0)

    def step(self, events):
        """False: the connection is over."""
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and not self.eof:
            got = self.sock.recv(65536)
            self.eof = not got
            self.pending += got
        if self.pending:
            try:
                del self.pending[:self.sock.send(self.pending)]
            except BlockingIOError:
                pass
        return not self.eof or bool(self.pending)


def echo(port):
    """Every connection echoed, all on one poll loop, until killed. Prints "peak N" whenever more
    connections than ever are open at once."""
    s = listener(int(port))
    s.setblocking(False)
    poll = select.poll()
    poll.register(s, select.POLLIN)
    connections, peak = {}, 0
    say("ready")
    while True:
        for fd, events in poll.poll():
            if fd == s.fileno():
                try:
                    c, _ = s.accept()
                except BlockingIOError:
                    continue
                c.setblocking(False)
                connections[c.fileno()] = EchoConnection(c)
                poll.register(c, select.POLLIN)
                if len(connections) > peak:
                    peak = len(connections)
                    if peak % 50 == 0:
                        say("peak", peak)
                continue
            connection = connections[fd]
            try:
                alive = connection.step(events)
            except BlockingIOError:
                alive = True
            except OSError:
                alive = False
            if alive:
                poll.modify(fd, connection.events())
            else:
                poll.unregister(fd)
                connections.pop(fd).sock.close()


def dialogue(addr, port, rounds, size):
    """So many rounds of `size` bytes to an echo server and back."""
    with socket.create_connection((addr, int(port))) as s:
        for i in range(int(rounds)):
            data = payload(int(size), i)
            s.sendall(data)
            if receive_exactly(s, len(data)) != data:
                sys.exit("round %d came back changed" % i)


def queued(pids):
    """Seconds for which these processes could run and had no CPU, so far (the kernel's schedstat)."""
    total = 0
    for pid in pids:
        with open("/proc/%s/schedstat" % pid) as f:
            total += int(f.read().split()[1])
    return total / 1e9


def pingpong(addr, port, peer):
    """64 bytes to an echo server (whose pid is `peer`) and back, over and over. Prints "going" after
    ten rounds; on SIGUSR1 forgets the longest gap so far and prints "marked"; on SIGTERM prints
    "rounds N longest_gap_ms M" (rounds since the mark) and ends. The time for which either end only
    waited for a CPU is no part of a gap."""
    state = {"stop": False, "mark": False}
    signal.signal(signal.SIGTERM, lambda *_: state.update(stop=True))
    signal.signal(signal.SIGUSR1, lambda *_: state.update(mark=True))
    s = socket.create_connection((addr, int(port)))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ends = ("self", peer)
    rounds, longest, last = 0, 0.0, time.monotonic()
    looked, waited = last, queued(ends)
    while not state["stop"]:
        if state["mark"]:
            state["mark"] = False
            rounds, longest, last = 0, 0.0, time.monotonic()
            say("marked")
        data = b"%064d" % rounds
        s.sendall(data)
        if receive_exactly(s, 64) != data:
            sys.exit("another message came back")
        now = time.monotonic()
        gap = now - last
        if gap > 0.02 or now - looked > 0.005:
            before, waited, looked = waited, queued(ends), now
            gap -= min(gap, waited - before)
        longest, last, rounds = max(longest, gap), now, rounds + 1
        if rounds == 10:
            say("going")
    say("rounds", rounds, "longest_gap_ms", int(longest * 1000))


def blast(addr, port):
    """Sends without end. Prints "going" after the first MiB, and how it ended."""
    s = socket.create_connection((addr, int(port)))
    data, sent = payload(65536), 0
    try:
        while True:
            s.sendall(data)
            sent += len(data)
            if sent == 1 << 20:
                say("going")
    except OSError as e:
        say("ended", errno.errorcode[e.errno])


def serve_blast(port):
    """Accepts one connection and sends on it without end, like blast."""
    s = listener(int(port))
    say("ready")
    c, _ = s.accept()
    data, sent = payload(65536), 0
    try:
        while True:
            c.sendall(data)
            sent += len(data)
            if sent == 1 << 20:
                say("going")
    except OSError as e:
        say("ended", errno.errorcode[e.errno])


def drain(s):
    """Reads to the end; prints "going" after the first MiB, and "ended EOF|ERRNO bytes N sha H"."""
    sha, size, how = hashlib.sha256(), 0, "EOF"
    going = False
    try:
        while True:
            got = s.recv(1 << 18)
            if not got:
                break
            sha.update(got)
            size += len(got)
            if not going and size >= 1 << 20:
                going = True
                say("going")
    except OSError as e:
        how = errno.errorcode[e.errno]
    say("ended", how, "bytes", size, "sha", sha.hexdigest())


def sink(port):
    """Accepts one connection and drains it."""
    s = listener(int(port))
    say("ready")
    c, _ = s.accept()
    drain(c)


def fetch(addr, port):
    """Connects and drains."""
    drain(socket.create_connection((addr, int(port))))


def slow_reader(addr, port, seconds):
    """Connects, reads nothing for so long, then drains."""
    s = socket.create_connection((addr, int(port)))
    say("connected")
    time.sleep(float(seconds))
    drain(s)


def exit_unsent(addr, port, size):
    """Puts `size` bytes into the send buffer and exits at once, without close. Prints their hash
    first."""
    data = payload(int(size))
    say(hashlib.sha256(data).hexdigest())
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    s.connect((addr, int(port)))
    s.sendall(data)
    os._exit(0)


def many(addr, port, count):
    """`count` connections open at once on one poll loop; when all are up, each sends five messages of
    its own and must get them back. Prints "all echoed"."""
    count, rounds, size = int(count), 5, 3000
    poll, clients = select.poll(), {}
    for i in range(count):
        s = socket.socket()
        s.setblocking(False)
        r = s.connect_ex((addr, int(port)))
        if r not in (0, errno.EINPROGRESS):
            sys.exit("connect %d: %s" % (i, os.strerror(r)))
        clients[s.fileno()] = [s, payload(size * rounds, i), b""]
        poll.register(s, select.POLLOUT)
    waiting = set(clients)
    while waiting:
        for fd, _ in poll.poll():
            r = clients[fd][0].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if r:
                sys.exit("connect: " + os.strerror(r))
            waiting.discard(fd)
            poll.modify(fd, 0)
    say("all connected")
    for fd, (s, data, _) in clients.items():
        s.send(data[:size])
        poll.modify(fd, select.POLLIN)
    unfinished = set(clients)
    while unfinished:
        for fd, _ in poll.poll():
            s, data, got = clients[fd]
            piece = s.recv(65536)
            if not piece:
                sys.exit("a connection ended early")
            before, got = len(got), got + piece
            clients[fd][2] = got
            if not data.startswith(got):
                sys.exit("something else came back")
            for sent in range(before // size + 1, len(got) // size + 1):
                s.send(data[sent * size:(sent + 1) * size]) if sent < rounds else None
            if len(got) == len(data):
                unfinished.discard(fd)
                poll.unregister(fd)
    say("all echoed")


def udp_echo(port):
    """Every datagram sent back to its sender."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", int(port)))
    say("ready")
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto(data, peer)


def dns(port):
    """Answers every question for an A record with 192.0.2.77."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", int(port)))
    say("ready")
    while True:
        query, peer = s.recvfrom(4096)
        end = query.index(b"\0", 12) + 5
        answer = b"\xc0\x0c\0\1\0\1" + (60).to_bytes(4, "big") + b"\0\4\xc0\0\2\x4d"
        s.sendto(query[:2] + b"\x85\x80\0\1\0\1\0\0\0\0" + query[12:end] + answer, peer)


def answer_at_end(port):
    """Reads one connection to its end, then answers "you said …" on the other half."""
    s = listener(int(port))
    say("ready")
    c, _ = s.accept()
    got = b""
    while piece := c.recv(1000):
        got += piece
    c.sendall(b"you said " + got)
    c.close()


TCP_FASTOPEN, TCPI_OPTIONS, TCPI_OPT_SYN_DATA = 23, 5, 32


def syn_data(s):
    """Did the data of the SYN arrive?"""
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return bool(info[TCPI_OPTIONS] & TCPI_OPT_SYN_DATA)


def fastopen_serve(port, count):
    """So many connections, one after another: reads each to its end, prints what came and how, and
    answers with it."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 8)
    s.bind(("0.0.0.0", int(port)))
    s.listen(8)
    say("ready")
    for _ in range(int(count)):
        c, _ = s.accept()
        got = b""
        while piece := c.recv(65536):
            got += piece
        say(len(got), "by SYN" if syn_data(c) else "after the handshake")
        c.sendall(got)
        c.close()


def fastopen_send(addr, port, *sizes):
    """A connection for each size, begun by sendto(MSG_FASTOPEN) of so many bytes; prints whether the
    answer is right, and how the first of them went."""
    for size in map(int, sizes):
        s = socket.socket()
        data = payload(size)
        sent = s.sendto(data, socket.MSG_FASTOPEN, (addr, int(port)))
        s.sendall(data[sent:])
        s.shutdown(socket.SHUT_WR)
        got = b""
        while piece := s.recv(65536):
            got += piece
        say(size, "right" if got == data else "WRONG", "by SYN" if syn_data(s) else "later")
        s.close()


def bind_only(port):
    """Binds and listens; prints "ready" or the errno's name, and then waits for its end of input."""
    s = socket.socket()
    try:
        s.bind(("0.0.0.0", int(port)))
        s.listen()
    except OSError as e:
        sys.exit(errno.errorcode[e.errno])
    say("ready")
    sys.stdin.read()


def congestion(s):
    return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


def route_facts(addr, port, before, after):
    """What a connection shows of its route. Congestion control `before` is set before it, "" is not,
    `after` when it is there: how that ended is told, too."""
    s = socket.socket()
    if before:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, before.encode())
    s.connect((addr, int(port)))
    info = struct.unpack_from("8B24I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256))[8:]
    say("congctl", congestion(s))
    say("mtu", s.getsockopt(socket.IPPROTO_IP, 14), "mss", info[2], "cwnd", info[18])  # IP_MTU
    say("rto", "small" if info[0] < 100000 else "usual")
    try:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, after.encode())
    except OSError as e:
        say("refused", errno.errorcode[e.errno])
    say("then", congestion(s))


TCP_MD5SIG, TCP_MD5SIG_EXT, MD5SIG_FLAG_PREFIX = 14, 32, 1


def set_md5(s, addr, prefix_len, key):
    """struct tcp_md5sig of <linux/tcp.h>."""
    who = struct.pack("=H2x4s120x", socket.AF_INET, socket.inet_aton(addr))
    sig = who + struct.pack("=BBHi80s", MD5SIG_FLAG_PREFIX, prefix_len, len(key), 0, key)
    s.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, sig)


def md5_serve(port, net, prefix_len, key):
    """An echo server for one connection, by a key for a network. Prints the bytes echoed."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    set_md5(s, net, int(prefix_len), key.encode())
    s.bind(("0.0.0.0", int(port)))
    s.listen()
    say("ready")
    c, _ = s.accept()
    s.close()
    total = 0
    while got := c.recv(1 << 16):
        total += len(got)
        c.sendall(got)
    say(total, "echoed")


def md5_dialogue(addr, port, key, rounds, size):
    """dialogue by a key; prints how it ended where it could not begin."""
    s = socket.socket()
    s.settimeout(3)
    if key:
        set_md5(s, addr, 32, key.encode())
    try:
        s.connect((addr, int(port)))
    except OSError as e:
        sys.exit(type(e).__name__)
    s.settimeout(None)
    for i in range(int(rounds)):
        data = payload(int(size), i)
        s.sendall(data)
        if receive_exactly(s, len(data)) != data:
            sys.exit("round %d came back changed" % i)
    s.close()


def main():
    words = {f.__name__.replace("_", "-"): f for f in (
        echo, dialogue, pingpong, blast, serve_blast, sink, fetch, slow_reader, exit_unsent, many,
        udp_echo, dns, answer_at_end, bind_only, fastopen_serve, fastopen_send,
        route_facts, md5_serve, md5_dialogue)}
    words[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
