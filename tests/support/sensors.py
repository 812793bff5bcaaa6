"""Writes what sensors write about one site: Zeek's conn.log, ssl.log and x509.log, and Suricata's eve.json in two pieces.

Every column and event has the form that Zeek 6 and Suricata 7 give it. What is in the files is read again by
`tests/support/independent.py`, which shares no code with the product or with this.
"""

import gzip
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

START = 1_760_000_000.0
_SERVERS = [f"203.0.113.{n}" for n in range(10, 60)] + [f"2001:db8::{n:x}" for n in range(16, 32)]
_CLIENTS = [f"192.0.2.{n}" for n in range(2, 90)]
_CLIENTS6 = [f"2001:db8:1::{n:x}" for n in range(2, 30)]

_CONN = (
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("history", "string"),
    ("tunnel_parents", "set[string]"),
)
_SSL = (
    *_CONN[:6],
    ("version", "string"),
    ("cipher", "string"),
    ("server_name", "string"),
    ("resumed", "bool"),
    ("established", "bool"),
    ("cert_chain_fps", "vector[string]"),
    ("client_cert_chain_fps", "vector[string]"),
    ("sni_matches_cert", "bool"),
)
_X509 = (
    ("ts", "time"),
    ("fingerprint", "string"),
    ("certificate.version", "count"),
    ("certificate.serial", "string"),
    ("certificate.subject", "string"),
    ("certificate.issuer", "string"),
    ("certificate.not_valid_before", "time"),
    ("certificate.not_valid_after", "time"),
    ("certificate.key_alg", "string"),
    ("san.dns", "vector[string]"),
    ("san.ip", "vector[addr]"),
    ("basic_constraints.ca", "bool"),
    ("host_cert", "bool"),
)
Row = dict[str, Any]


def write_zeek(folder: Path, connections: int, *, as_json: bool) -> list[Path]:
    """Write conn.log, ssl.log and x509.log of one Zeek.

    Args:
        folder: where.
        connections: how many lines conn.log has.
        as_json: one object a line instead of columns.

    """
    draw = random.Random(connections)
    conn, ssl, certificates = [], [], {}
    for n in range(connections):
        row = _zeek_connection(draw, n)
        conn.append(row)
        if row.get("service") in {"ssl", "quic,ssl"} and draw.random() < 0.95:
            ssl.append(_zeek_ssl(draw, row, certificates))
    # A log is in the order in which connections ended, another in that of handshakes.
    conn.sort(key=lambda row: row["ts"] + row.get("duration", 0))
    files = []
    for name, columns, rows in (("conn", _CONN, conn), ("ssl", _SSL, ssl), ("x509", _X509, certificates.values())):
        files.append(folder / f"{name}.log")
        files[-1].write_text(_as_json(rows) if as_json else _as_table(name, columns, list(rows)))
    return files


def _zeek_connection(draw: random.Random, n: int) -> Row:
    server = draw.choice(_SERVERS)
    client = draw.choice(_CLIENTS6 if ":" in server else _CLIENTS)
    kind = draw.choices(("ssl", "quic,ssl", "http", "dns", None, "icmp"), (40, 10, 15, 15, 15, 5))[0]
    row: Row = {
        "ts": round(START + n * 0.37 + draw.random(), 6),
        "uid": f"C{draw.randrange(62**9):x}{n:x}",
        "id.orig_h": client,
        "id.orig_p": draw.randrange(1024, 65536),
        "id.resp_h": server,
        "id.resp_p": {"ssl": draw.choice((443, 8443, 993)), "quic,ssl": 443, "http": 80, "dns": 53}.get(
            kind or "", 4444
        ),
        "proto": "udp" if kind in {"quic,ssl", "dns"} else "icmp" if kind == "icmp" else "tcp",
        "conn_state": draw.choice(("SF", "S0", "RSTO", "OTH")),
        "local_orig": True,
        "history": draw.choice(("ShADadFf", "S", "Dd", "^dA")),
    }
    if kind == "icmp":
        row |= {"id.orig_p": 134 if ":" in server else 8, "id.resp_p": 133 if ":" in server else 0}
    elif kind:
        row["service"] = kind
    if row["conn_state"] != "S0":
        sizes = {"orig_bytes": draw.randrange(10_000), "resp_bytes": draw.randrange(10**7)}
        row |= {"duration": round(draw.random() * 90, 6), **sizes}
    return row


def _zeek_ssl(draw: random.Random, connection: Row, certificates: dict[str, Row]) -> Row:
    row = {name: value for name, value in connection.items() if name.startswith(("uid", "id."))}
    is_quic = connection["proto"] == "udp"
    site = _SERVERS.index(connection["id.resp_h"])
    name = f"h{site}.example.com"
    row |= {
        "ts": round(connection["ts"] + 0.05, 6),
        "version": "QUICv1" if is_quic else draw.choice(("TLSv12", "TLSv13")),
        "cipher": "TLS_AES_128_GCM_SHA256",
        "resumed": False,
        "established": True,
    }
    if draw.random() < 0.9:
        row["server_name"] = draw.choice((name, f"www.{name}"))
    if row["version"] == "TLSv12" and draw.random() < 0.8:
        leaf, issuer = f"{site:064x}", f"{'c' * 60}{site % 3:04x}"
        row |= {"cert_chain_fps": [leaf, issuer], "sni_matches_cert": True}
        _zeek_certificates(certificates, row["ts"], site, leaf, issuer)
    else:
        row |= {"resumed": True}
    return row


def _zeek_certificates(certificates: dict[str, Row], ts: float, site: int, leaf: str, issuer: str) -> None:
    name = f"h{site}.example.com"
    authority = f"CN=Example CA {site % 3},O=Example\\, Inc.,C=US"
    dates = {"certificate.not_valid_before": START - 86400 * (site + 1), "certificate.not_valid_after": START + 1e7}
    certificates.setdefault(
        leaf,
        {
            "ts": ts,
            "fingerprint": leaf,
            "certificate.version": 3,
            "certificate.serial": f"0{site:X}AB",
            "certificate.subject": f"CN={name},O=Example",
            "certificate.issuer": authority,
            **dates,
            "certificate.key_alg": "rsaEncryption",
            "san.dns": [name, f"*.{name}"],
            "host_cert": True,
            **({"san.ip": [_SERVERS[site]]} if site % 5 == 0 else {}),
        },
    )
    certificates.setdefault(
        issuer,
        {
            "ts": ts,
            "fingerprint": issuer,
            "certificate.version": 3,
            "certificate.serial": "01",
            "certificate.subject": authority,
            "certificate.issuer": authority,
            **dates,
            "basic_constraints.ca": True,
            "host_cert": False,
        },
    )


def _as_json(rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _as_table(path: str, columns: tuple[tuple[str, str], ...], rows: list[Row]) -> str:
    names, kinds = zip(*columns, strict=True)
    head = [
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-",
        f"#path\t{path}\n#open\t2025-10-09-08-53-20",
        "\t".join(("#fields", *names)),
        "\t".join(("#types", *kinds)),
    ]
    lines = ["\t".join(_cell(row.get(name), kind) for name, kind in columns) for row in rows]
    return "\n".join([*head, *lines, "#close\t2025-10-09-09-53-20", ""])


def _cell(value: Any, kind: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, list):
        return ",".join(value).replace("\\", "\\x5c") if value else "(empty)"
    return f"{value:.6f}" if kind in {"time", "interval"} else str(value)


def write_eve(folder: Path, flows: int) -> list[Path]:
    """Write eve.json and its older part, eve.json.1.gz, with the events of a number of flows; return both."""
    draw = random.Random(flows)
    events: list[tuple[float, Row]] = []
    for n in range(flows):
        events += _flow_events(draw, n)
    events += [(START + n * 8, {"event_type": "stats", "stats": {"uptime": n}}) for n in range(flows // 8)]
    events.sort(key=lambda pair: pair[0])
    lines = [json.dumps({"timestamp": _stamp(when), **event}) + "\n" for when, event in events]
    files = [folder / "eve.json", folder / "eve.json.1.gz"]
    half = len(lines) // 2
    files[0].write_text("".join(lines[half:]))
    files[1].write_bytes(gzip.compress("".join(lines[:half]).encode()))
    return files


def _stamp(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")


def _flow_events(draw: random.Random, n: int) -> list[tuple[float, Row]]:
    """Return what Suricata writes about one flow, with the time of each event; the flow's own record comes last, or not."""
    server = draw.choice(_SERVERS)
    client = draw.choice(_CLIENTS6 if ":" in server else _CLIENTS)
    kind = draw.choice(("tls", "http", "dns", "ssh", "quic", None))
    port = {"tls": 443, "http": 80, "dns": 53, "ssh": 22, "quic": 443}.get(kind or "", 5555)
    begun, length = START + n * 0.8 + draw.random(), draw.random() * 50
    ends = {"src_ip": client, "src_port": draw.randrange(1024, 65536), "dest_ip": server, "dest_port": port}
    back = {"src_ip": server, "src_port": port, "dest_ip": client, "dest_port": ends["src_port"]}
    proto = "UDP" if kind in {"dns", "quic"} else "TCP"
    base = {"flow_id": draw.randrange(10**14, 10**16) * 100 + n % 100, "in_iface": "eth0", "proto": proto}
    found = []
    if kind:
        found.append((begun + 0.1, {**base, "event_type": kind, **ends, kind: _about(draw, kind, server)}))
    if kind == "dns" and ":" not in server:
        answers = [{"rrname": f"d{n}.example.net", "rrtype": "A", "ttl": 60, "rdata": server}]
        about = {"version": 2, "type": "answer", "rrname": f"d{n}.example.net", "rrtype": "A", "answers": answers}
        found.append((begun + 0.2, {**base, "event_type": "dns", **ends, "dns": about}))
    found += [(begun + draw.random(), _alert(draw, base, ends, back, begun)) for _ in range(draw.choice((0, 0, 1, 2)))]
    if kind == "http" and draw.random() < 0.5:
        about = {"filename": "/index.html", "state": "CLOSED", "size": 900}
        found.append((begun + 0.3, {**base, "event_type": "fileinfo", **back, "fileinfo": about}))
    if draw.random() < 0.9:
        flow = {"pkts_toserver": 9, "pkts_toclient": 7, "bytes_toserver": n, "bytes_toclient": 3 * n, "state": "closed"}
        flow |= {"start": _stamp(begun), "end": _stamp(begun + length), "age": int(length), "reason": "timeout"}
        found.append((begun + length + 60, {**base, "event_type": "flow", **ends, "flow": flow}))
    return found


def _alert(draw: random.Random, base: Row, ends: Row, back: Row, begun: float) -> Row:
    """Return an alert about a packet to either end; older versions write neither its direction nor the flow's ends."""
    to_server = draw.random() < 0.5
    alert = {"action": "allowed", "gid": 1, "signature_id": 2_000_000 + draw.randrange(50), "rev": 1, "severity": 2}
    event = {**base, "event_type": "alert", **(ends if to_server else back), "alert": alert}
    age = draw.randrange(3)
    if age:
        event["direction"] = "to_server" if to_server else "to_client"
    if age == 2:  # Suricata 7
        event["flow"] = {"pkts_toserver": 2, "start": _stamp(begun), **ends}
    return event


def _about(draw: random.Random, kind: str, server: str) -> Row:
    name = f"s{_SERVERS.index(server)}.example.org"
    return {
        "tls": {"sni": name, "version": "TLS 1.3", "subject": f"CN={name}, O=Example", "issuerdn": "CN=Example CA"},
        "http": {"hostname": name, "url": "/index.html", "http_method": "GET", "status": 200, "length": 900},
        "dns": {"version": 2, "type": "query", "id": draw.randrange(65536), "rrname": name, "rrtype": "A"},
        "ssh": {"server": {"proto_version": "2.0", "software_version": "OpenSSH_9.6p1"}},
        "quic": {"version": "1", "sni": name},
    }[kind]
