"""How much of a free provider's limit is used, by everything together: `cobalt up` against a server that speaks ip-api's
contract with its real window (15 calls of 100 addresses a minute, 429 beyond, a ban for insisting).

    python benchmarks/geolocation_budget.py [minutes]

Prints addresses a minute as a ratio to the limit of 1,500; calls in each window; calls that were refused (must be 0).
"""

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import redis

LIMIT = 1500
HERE = Path(__file__).parent
SERVER = HERE.parent / "tests" / "integration" / "geolocation" / "conftest.py"


def server() -> Any:
    """Start the server that the tests use."""
    specification = importlib.util.spec_from_file_location("server", SERVER)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.IpApiServer()


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def name_server() -> str:
    """Start a name server that knows no name, so that look-ups of names end at once; return its address."""
    answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answers.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            question, asker = answers.recvfrom(512)
            answers.sendto(question[:2] + b"\x81\x83" + question[4:], asker)

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{answers.getsockname()[1]}"


def main() -> None:
    """Measure and print."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    ip_api = server()
    count = int(LIMIT * (minutes + 2))
    with tempfile.TemporaryDirectory(prefix="cb-") as folder:
        own = {**os.environ, "COBALT_HOME": folder, "COBALT_IPAPI_URL": ip_api.url, "COBALT_GEO_PROVIDERS": "ip-api"}
        own["COBALT_RESOLVERS"] = name_server()
        cobalt = [sys.executable, "-m", "cobalt_tasks"]
        # Workers take names before locations; those are done when the first call is made.
        up = subprocess.Popen(
            [*cobalt, "up", f"--port={free_port()}", f"--flower-port={free_port()}", "-c", "4"],
            env=own,
            stdin=subprocess.PIPE,
        )
        assert up.stdin
        for index in range(count):
            peer = f"11.{index // 65536}.{index // 256 % 256}.{index % 256}"
            line = f'{{"type": "connection", "src_ip": "192.0.2.2", "dst_ip": "{peer}", "dst_port": 443}}\n'
            up.stdin.write(line.encode())
        up.stdin.close()
        while not ip_api.calls:
            time.sleep(0.1)
        started = time.monotonic()
        time.sleep(minutes * 30)
        with redis.Redis(unix_socket_path=f"{folder}/redis.sock") as client:
            client.flushall()
        time.sleep(minutes * 30)
        asked, windows, calls = len(ip_api.asked), list(ip_api.windows), list(ip_api.calls)
        seconds = time.monotonic() - started
        up.terminate()
        up.wait(60)
    full = sum(len(addresses) == 100 for _, addresses in calls)
    whole = windows[:-1]
    print(f"calls in each window: {windows} (the last is cut), {full} of {len(calls)} full, {ip_api.refused} refused")
    print(f"{asked} addresses in {seconds:.0f} s, each once: {len(set(ip_api.asked)) == len(ip_api.asked)}")
    # A window that has just started has used what a whole one may: count whole windows by their own time.
    span = calls[sum(whole)][0] - calls[0][0] if len(calls) > sum(whole) else seconds
    rate = sum(whole) * 100 / span * 60
    print(f"{rate:,.0f} addresses a minute: ratio {rate / LIMIT:.3f} to the limit")


if __name__ == "__main__":
    main()
