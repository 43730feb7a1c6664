"""What our wire costs: echo calls against stock Pyro5 with msgpack, with TLS, and 1,200 parked
connections.

Run ``python benchmarks/wire.py``. Servers run in processes of their own, rounds are interleaved,
and only the ratio means something on another machine.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import threading
import time
from typing import Any

from bandmaster.asynccomm.wire import Address, Client, Peer, Server, WakeFd

KEY = b"benchmark key of thirty-two byte"
PAYLOAD = b"x" * 200


class Echo:
    """Echoes, or parks until the peer or the wake descriptor says otherwise."""

    def __init__(self) -> None:
        self.wake = WakeFd()

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        if method == "park":
            return peer.park(self.wake.fileno(), None).encode()
        if method == "wake":
            self.wake.set()
        if method == "memory":
            return str(_rss()).encode()
        return payload

    def disconnected(self, peer: Peer) -> None:
        pass


def serve_ours(pipe: Any) -> None:
    with Server(key=KEY) as server:
        server.register("echo", Echo())
        pipe.send(str(server.address))
        pipe.recv()


def serve_tls(pipe: Any) -> None:
    from bandmaster.asynccomm.certificates import Certificate

    with Server(key=KEY, certificate=Certificate.make("benchmark")) as server:
        server.register("echo", Echo())
        pipe.send(str(server.address))
        pipe.recv()


def serve_stock(pipe: Any) -> None:
    import Pyro5.server

    @Pyro5.server.expose
    class Stock:
        def exchange(self, method: str, payload: bytes) -> bytes:
            return payload

    daemon = Pyro5.server.Daemon(host="127.0.0.1")
    pipe.send(str(daemon.register(Stock(), "echo")))
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    pipe.recv()
    os._exit(0)


def _rss() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _start(target: Any) -> tuple[Any, str]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs,), daemon=True)
    process.start()
    return ours, ours.recv()


def calls(rounds: int = 7, number: int = 2000) -> None:
    """Print the time of a call, ours and stock, and their ratio."""
    from Pyro5.client import Proxy

    our_pipe, address = _start(serve_ours)
    stock_pipe, uri = _start(serve_stock)
    proxy = Proxy(uri)
    proxy._pyroSerializer = "msgpack"
    times: dict[str, list[float]] = {"ours": [], "stock": []}
    with Client(Address.parse(address), "echo", key=KEY) as client:
        for _ in range(rounds):
            for name, call in (("stock", proxy.exchange), ("ours", client.call)):
                begin = time.perf_counter()
                for _ in range(number):
                    call("echo", PAYLOAD)
                times[name].append((time.perf_counter() - begin) / number * 1e6)
        begin = time.perf_counter()
        for _ in range(200):
            Client(Address.parse(address), "echo", key=KEY).connect()
        connecting = (time.perf_counter() - begin) / 200 * 1e3
    ratio = statistics.median(o / s for o, s in zip(times["ours"], times["stock"], strict=True))
    print(f"stock Pyro5 + msgpack  {statistics.median(times['stock']):7.1f} µs a call")
    print(f"ours, authenticated    {statistics.median(times['ours']):7.1f} µs a call")
    print(f"ratio ours / stock     {ratio:7.2f}")
    print(f"connect + preamble     {connecting:7.2f} ms")
    our_pipe.send(None)
    stock_pipe.send(None)


def tls(rounds: int = 7, number: int = 2000) -> None:
    """Print what TLS adds to a call and to a connection."""
    pipes, clients = {}, {}
    for name, serve in (("plain", serve_ours), ("TLS", serve_tls)):
        pipes[name], place = _start(serve)
        address = Address.parse(place).secured("any" if name == "TLS" else "")
        clients[name] = Client(address, "echo", key=KEY)
    for size in (200, 1_000_000):
        times: dict[str, list[float]] = {"plain": [], "TLS": []}
        count = number if size < 1000 else number // 100
        for _ in range(rounds):
            for name, client in clients.items():
                client.connect()
                begin = time.perf_counter()
                for _ in range(count):
                    client.call("echo", bytes(size))
                times[name].append((time.perf_counter() - begin) / count * 1e6)
        ratio = statistics.median(t / p for t, p in zip(times["TLS"], times["plain"], strict=True))
        print(
            f"{size:>9} bytes, TLS     {statistics.median(times['TLS']):7.1f} µs a call, "
            f"plain {statistics.median(times['plain']):7.1f}, ratio TLS / plain {ratio:5.2f}"
        )
    for name, client in clients.items():
        begin = time.perf_counter()
        for _ in range(200):
            client.close()
            client.connect()
        print(f"connect, {name:<5}         {(time.perf_counter() - begin) / 200 * 1e3:7.2f} ms")
        client.close()
        pipes[name].send(None)


def parked(number: int = 1200) -> None:
    """Print the memory and the wake-up time of many parked connections from one process."""
    pipe, address = _start(serve_ours)
    control = Client(Address.parse(address), "echo", key=KEY)
    control.connect()
    before = int(control.call("memory"))
    clients = [Client(Address.parse(address), "echo", key=KEY) for _ in range(number)]
    begin = time.perf_counter()
    for client in clients:
        client.connect()
    connecting = time.perf_counter() - begin
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda c=client: answers.append(c.call("park")), daemon=True)
        for client in clients
    ]
    for thread in threads:
        thread.start()
    control.call("echo", b"")
    time.sleep(1.0)
    after = int(control.call("memory"))
    begin = time.perf_counter()
    control.call("wake")
    for thread in threads:
        thread.join()
    waking = time.perf_counter() - begin
    assert answers == [b"woken"] * number, len(answers)
    print(f"{number} connections          {connecting:7.2f} s to connect one after the other")
    print(f"server memory          {(after - before) / 1e6:7.1f} MB more than without them")
    print(f"waking all of them     {waking:7.2f} s")
    for client in clients:
        client.close()
    control.close()
    pipe.send(None)


if __name__ == "__main__":
    calls()
    tls()
    parked()
