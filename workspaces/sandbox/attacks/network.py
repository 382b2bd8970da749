"""Attacks by sockets: to the host, to its network, and by opening a door for it."""

import socket

from .told import Attacks, Target

Address = tuple[str, int] | str


def connect(family: int, address: Address) -> str:
    with socket.socket(family) as client:
        client.settimeout(0.2)
        client.connect(address)
    return "a connection"


def send(port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"from inside", ("127.0.0.1", port))
    return "sent"


def listen(_: Target) -> str:
    with socket.create_server(("0.0.0.0", 0)) as server:
        return f"port {server.getsockname()[1]}"


def open_socket(family: int, kind: int, protocol: int = 0) -> str:
    with socket.socket(family, kind, protocol) as opened:
        return f"socket {opened.fileno()}"


ATTACKS: Attacks = {
    "connect to the host's loopback": lambda target: connect(socket.AF_INET, ("127.0.0.1", target["port"])),
    "send to the host's loopback": lambda target: send(target["datagrams"]),
    "connect to a unix socket of the host": lambda target: connect(socket.AF_UNIX, target["socket"]),
    "connect to an abstract socket of the host": lambda target: connect(
        socket.AF_UNIX, "\0" + target["abstract"]
    ),
    "open a port to the network": listen,
    "read raw packets": lambda _: open_socket(socket.AF_PACKET, socket.SOCK_RAW),
    "talk to the kernel's network": lambda _: open_socket(socket.AF_NETLINK, socket.SOCK_RAW),
}
