"""The debugger of Node.js, which listens for WebSockets and answers over HTTP (Node.js, Debugger)."""

from cobalt_tasks.protocols import json_api

PROTOCOL = json_api.protocol(
    "node-inspector", "Node.js", "/json/version", rb'"Browser": ?"node\.js/v([0-9][\w.-]{0,40})"', ports=(9229,)
)
