"""Kubernetes: `/version` of the API server."""

from cobalt_tasks.protocols.json_api import protocol

PROTOCOL = protocol(
    "kubernetes",
    "Kubernetes",
    "/version",
    rb'"gitVersion": ?"v([0-9][\w.+-]{0,40})"',
    ports=(8001,),
    tls_ports=(6443, 16443, 10250),
)
