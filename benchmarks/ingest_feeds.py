"""The inputs that the benchmarks of ingest read: capture lines, a scan, connections with an identity."""

import json
import random
from collections.abc import Callable, Iterator

PEERS = 10_000
START = 1_760_000_000


def zipf(lines: int) -> Iterator[str]:
    """Capture lines of 10,000 peers, some of which come all the time."""
    draw = random.Random(7)
    for peer in often(lines, draw):
        yield capture(peer, draw)


def often(lines: int, draw: random.Random) -> Iterator[str]:
    """Yield peers of 10,000, some of which come all the time."""
    peers = [
        f"{draw.randrange(1, 224)}.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(256)}"
        for _ in range(PEERS)
    ]
    weights = [1 / rank for rank in range(1, PEERS + 1)]
    while lines > 0:
        yield from draw.choices(peers, weights, k=min(lines, 10_000))
        lines -= 10_000


def new(lines: int) -> Iterator[str]:
    """Capture lines of peers that are all new: the worst case."""
    draw = random.Random(7)
    for number in range(lines):
        value = (number * 2654435761) % (1 << 32)
        yield capture(f"{1 + (value >> 24) % 223}.{(value >> 16) & 255}.{(value >> 8) & 255}.{value & 255}", draw)


def capture(peer: str, draw: random.Random) -> str:
    """Return a line as capture tools write it."""
    port, process = draw.choice(((443, "firefox"), (80, "curl"), (53, "systemd-resolve"), (22, "ssh")))
    return (
        f'{{"type": "connection", "event": "new", "src_ip": "192.0.2.2", "dst_ip": "{peer}", "dst_port": {port}, '
        f'"metadata": {{"protocol": "TCP", "state": "ESTAB", "process": "{process}"}}}}'
    )


def masscan(lines: int) -> Iterator[str]:
    """What masscan -oD prints of a scan that finds seven ports on each host."""
    ports = (21, 22, 25, 80, 110, 443, 3306)
    for number in range(lines):
        value = ((number // len(ports)) * 2654435761) % (1 << 32)
        address = f"{1 + (value >> 24) % 223}.{(value >> 16) & 255}.{(value >> 8) & 255}.{value & 255}"
        yield (
            f'{{"ip":"{address}","timestamp":"1760000000","port":{ports[number % len(ports)]},"proto":"tcp",'
            f'"rec_type":"status","data":{{"status":"open","reason":"syn-ack","ttl":54}}}}'
        )


CONN = (
    *("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration", "orig_bytes"),
    *("resp_bytes", "conn_state", "local_orig", "local_resp", "missed_bytes", "history", "orig_pkts", "orig_ip_bytes"),
    *("resp_pkts", "resp_ip_bytes", "tunnel_parents"),
)
"""The columns of Zeek's conn.log."""


def conn(lines: int) -> Iterator[str]:
    """Zeek's conn.log as it writes it by itself."""
    yield "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn"
    yield "\t".join(("#fields", *CONN))
    draw = random.Random(7)
    for number, peer in enumerate(often(lines, draw)):
        port, proto, service = draw.choice(
            ((443, "tcp", "ssl"), (80, "tcp", "http"), (53, "udp", "dns"), (22, "tcp", "-"))
        )
        sent, got = draw.randrange(5000), draw.randrange(90000)
        yield "\t".join(
            (
                *(
                    f"{START + number / 500:.6f}",
                    f"C{draw.getrandbits(80):x}",
                    f"10.0.{number % 4}.{draw.randrange(1, 250)}",
                ),
                *(
                    str(draw.randrange(32768, 60999)),
                    peer,
                    str(port),
                    proto,
                    service,
                    f"{draw.random() * 9:.6f}",
                    str(sent),
                ),
                *(str(got), "SF", "T", "F", "0", "ShADadFf", "12", str(sent + 480), "14", str(got + 560), "-"),
            )
        )


def eve(lines: int) -> Iterator[str]:
    """Suricata's EVE: flows, and alerts and DNS queries of other flows."""
    draw = random.Random(7)
    for number, peer in enumerate(often(lines, draw)):
        when = f"2025-10-09T{8 + number // 1_800_000:02}:{number // 30_000 % 60:02}:{number // 500 % 60:02}.{number % 1000:03}417+0000"
        port, proto, app = draw.choice(
            ((443, "TCP", "tls"), (80, "TCP", "http"), (53, "UDP", "dns"), (22, "TCP", "ssh"))
        )
        yield json.dumps(
            {
                "timestamp": when,
                "flow_id": draw.getrandbits(50),
                "in_iface": "eth0",
                "event_type": "flow",
                "src_ip": f"10.0.{number % 4}.{draw.randrange(1, 250)}",
                "src_port": draw.randrange(32768, 60999),
                "dest_ip": peer,
                "dest_port": port,
                "proto": proto,
                "app_proto": app,
                **_event(number, when, draw),
            }
        )


def _event(number: int, when: str, draw: random.Random) -> dict[str, object]:
    """Return the part of an event that its type decides: three of five are the flow itself."""
    match number % 5:
        case 0:
            alert = {"action": "allowed", "gid": 1, "signature_id": 2013028, "rev": 7, "severity": 3}
            names = {"signature": "ET POLICY curl User-Agent Outbound", "category": "Attempted Information Leak"}
            return {"event_type": "alert", "direction": "to_server", "alert": alert | names}
        case 1:
            asked = {"type": "query", "id": draw.randrange(65536), "rrname": f"host{number}.example.org", "rrtype": "A"}
            return {"event_type": "dns", "dns": asked | {"tx_id": 0, "opcode": 0}}
    counts = {"pkts_toserver": 12, "pkts_toclient": 14, "bytes_toserver": draw.randrange(5000), "bytes_toclient": 8000}
    times = {"start": when, "end": when, "age": 3, "state": "closed", "reason": "timeout", "alerted": False}
    tcp = {"tcp_flags": "1b", "tcp_flags_ts": "1b", "tcp_flags_tc": "1b", "syn": True, "fin": True, "state": "closed"}
    return {"flow": counts | times, "tcp": tcp}


FEEDS: dict[str, Callable[[int], Iterator[str]]] = {
    "zipf": zipf,
    "new": new,
    "masscan": masscan,
    "conn": conn,
    "eve": eve,
}
