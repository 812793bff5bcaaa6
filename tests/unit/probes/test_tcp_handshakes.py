"""How long a handshake may take by those before it, and hosts that answer none."""

import math

from workers.tcp_handshakes import PORTS_TRIED, Handshakes, SilentHosts

HOST = "192.0.2.1"


class Clock:
    """A clock that the test sets."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now


def test_a_handshake_may_take_as_long_as_nearly_all_and_a_lost_packet() -> None:
    """Unknown at first; then more than a second, and far less than a probe's time-out. Break: `longest` in add."""
    times = Handshakes()
    assert math.isinf(times.longest)
    for _ in range(100):
        times.add(0.02)
    assert 1.0 < times.longest < 2.0


def test_a_slow_network_is_waited_for() -> None:
    """What is known follows the network. Break: `nearly_all`."""
    times = Handshakes()
    for _ in range(600):
        times.add(1.2)
    assert times.longest > 3.0


def test_a_host_that_answers_on_no_port_is_known_for_a_while() -> None:
    """Break: PORTS_TRIED or the times in SilentHosts."""
    clock = Clock()
    hosts = SilentHosts(clock)
    for _ in range(PORTS_TRIED):
        assert not hosts.is_silent(HOST)
        hosts.timed_out(HOST)
    assert hosts.is_silent(HOST)
    assert not hosts.is_silent("192.0.2.2")
    clock.now += 120.0
    assert not hosts.is_silent(HOST)


def test_a_host_that_answered_is_not_silent() -> None:
    """A firewall drops what goes to most of its ports. Break: `_answered` in timed_out."""
    hosts = SilentHosts(Clock())
    hosts.answered(HOST)
    for _ in range(10):
        hosts.timed_out(HOST)
    assert not hosts.is_silent(HOST)


def test_what_is_known_is_bounded() -> None:
    """Break: _MOST_HOSTS in _put."""
    hosts = SilentHosts(Clock())
    for number in range(25_000):
        hosts.timed_out(f"2001:db8::{number:x}")
    assert len(hosts._silent) == 20_000
