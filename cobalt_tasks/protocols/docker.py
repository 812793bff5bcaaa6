"""Docker: `/version` of the Engine API."""

from cobalt_tasks.protocols.json_api import protocol

PROTOCOL = protocol(
    "docker",
    "Docker Engine",
    "/version",
    rb'"Version": ?"([0-9][\w.+-]{0,40})"(?s:.{0,1500}?)"MinAPIVersion"',
    ports=(2375, 4243),
    tls_ports=(2376,),
)
