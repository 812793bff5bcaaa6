"""What zgrab2 and the tools of ProjectDiscovery found out about services."""

import json

from tests.support.records import names
from tests.unit.ingest.test_new_scanners import about, read, services


def test_services_of_the_scanners_of_projectdiscovery() -> None:
    """What their probes found out is kept: product, version, title, JARM."""
    server = "SimpleHTTP/0.6 Python/3.10.6"
    metadata = {"responseHeaders": {"Server": [server]}, "status": "200 OK", "statusCode": 200, "version": server}
    line = {"ip": "192.0.2.10", "port": 8000, "service": "http", "transport": "tcp", "metadata": metadata}
    assert services(read("fingerprintx", json.dumps(line))) == {
        ("192.0.2.10", "tcp", 8000, "http", "SimpleHTTP", "0.6")
    }
    line = {"ip": "192.0.2.10", "port": 22, "protocol": "tcp", "tls": False, "name": "ssh", "product": "OpenSSH"}
    batch = read("naabu-json", json.dumps({**line, "version": "8.9p1", "cpes": ["cpe:/a:x"]}))
    assert services(batch) == {("192.0.2.10", "tcp", 22, "ssh", "OpenSSH", "8.9p1")}
    assert about(batch, 22)["cpes"] == ["cpe:/a:x"]
    line = {"host": "192.0.2.10", "ip": "192.0.2.10", "port": "443", "probe_status": True, "tls_version": "tls13"}
    assert about(read("tlsx", json.dumps({**line, "jarm_hash": "2ad", "issuer_cn": "Example CA"})), 443) == {
        "tls_version": "tls13",
        "jarm_hash": "2ad",
        "issuer_cn": "Example CA",
    }
    failed = read("tlsx", '{"host":"www.example.com","port":"443","probe_status":false}')
    assert (failed.ignored, failed.rejects) == (1, [])
    line = {"url": "https://www.example.com", "input": "www.example.com", "host_ip": "192.0.2.10", "port": "443"}
    batch = read("httpx", json.dumps({**line, "scheme": "https", "status_code": 200, "title": "Hi", "tech": ["Nginx"]}))
    assert (about(batch, 443)["title"], about(batch, 443)["tech"]) == ("Hi", ["Nginx"])
    assert names(batch) == {("192.0.2.10", "www.example.com", "httpx")}


def test_modules_of_zgrab2_without_a_port() -> None:
    """The URL, then the module's own default; names without addresses are refused with a reason that names them."""
    request = {"url": {"scheme": "https", "host": "www.example.com:8443"}}
    result = {"response": {"status_code": 200, "headers": {"server": ["lighttpd/1.4.35"]}, "request": request}}
    modules = {
        "http": {"status": "success", "protocol": "http", "result": result},
        "memcached": {"status": "success", "protocol": "memcached", "result": {"version": "1.6.0"}},
        "amqp091": {"status": "success", "result": {"server_properties": {"product": "RabbitMQ", "version": "3.8.16"}}},
    }
    batch = read("zgrab2", json.dumps({"ip": "192.0.2.10", "data": modules}))
    assert {(each[2], each[3], each[4], each[5]) for each in services(batch)} == {
        (8443, "https", None, None),
        (11211, "memcached", "Memcached", "1.6.0"),
        (5672, "amqp", "RabbitMQ", "3.8.16"),
    }
    refused = read("zgrab2", json.dumps({"domain": "www.example.com", "data": modules})).rejects
    assert "www.example.com" in refused[0][2]
    assert "no address" in refused[0][2]
