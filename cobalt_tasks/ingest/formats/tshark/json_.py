"""tshark -T ek (one JSON object a packet, after an index line) and -T json (an array of objects)."""

from typing import Any, ClassVar, Final

from cobalt_tasks.ingest.batch import Batch, RefusedError
from cobalt_tasks.ingest.formats.json_lines import JsonFormat
from cobalt_tasks.ingest.formats.json_text import part
from cobalt_tasks.ingest.formats.tshark import packets

_DEEPEST: Final = 8
_MOST_FIELDS: Final = 4096


class TsharkEk(JsonFormat):
    """Dots become underscores, values are arrays of text, the time is in milliseconds."""

    name: ClassVar = "tshark-ek"
    family: ClassVar = "tshark"
    tool: ClassVar = "tshark"
    summary: ClassVar = "-T ek"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise an index line, or a packet's layers."""
        return isinstance(record.get("layers"), dict) or (isinstance(record.get("index"), dict) and len(record) == 1)

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one packet, a `record`, into `batch`; the index lines between them are no records."""
        layers = record.get("layers")
        if not isinstance(layers, dict):
            if isinstance(record.get("index"), dict):
                return
            raise RefusedError("layers are missing")
        fields: packets.Fields = {}
        _flatten(layers, fields, 0)
        time = record.get("timestamp")
        if "frame_time_epoch" not in fields and isinstance(time, str) and time.isascii() and time.isdigit():
            fields["frame_time_epoch"] = [f"{time[:-3] or 0}.{time[-3:]}"]
        packets.read(fields, batch)


class TsharkJson(JsonFormat):
    """An array of packets as Elasticsearch takes them; keys with dots, each layer an object."""

    name: ClassVar = "tshark-json"
    family: ClassVar = "tshark"
    tool: ClassVar = "tshark"
    summary: ClassVar = "-T json"
    is_traffic: ClassVar = True

    @classmethod
    def owns(cls, record: dict[str, Any]) -> bool:
        """Recognise a packet's layers below Elasticsearch's key."""
        return isinstance(part(record, "_source", "layers"), dict)

    def record(self, record: dict[str, Any], batch: Batch) -> None:
        """Read one packet, a `record`, into `batch`."""
        layers = part(record, "_source", "layers")
        if not isinstance(layers, dict):
            raise RefusedError("_source.layers is missing")
        fields: packets.Fields = {}
        _flatten(layers, fields, 0)
        packets.read(fields, batch)


def _flatten(layers: dict[str, Any], fields: packets.Fields, depth: int) -> None:
    """Collect the values of each field; they lie some levels down, as `layers.ip.ip_ip_src` or `layers.ip.ip.src`."""
    for name, value in layers.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str | int | float):
                plain = name.replace(".", "_")
                parts = plain.split("_", 1)
                # -T ek writes the layer before the field: `ip_ip_src` is the field ip.src of the layer ip.
                if depth and len(parts) > 1 and parts[1].startswith(parts[0]):
                    plain = parts[1]
                if len(fields) < _MOST_FIELDS:
                    fields.setdefault(plain, []).append(str(each))
            elif isinstance(each, dict) and depth < _DEEPEST:
                _flatten(each, fields, depth + 1)
