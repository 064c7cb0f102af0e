"""Compares the binary form of /ws with the JSON form, record by record, and /metrics with the
document, by readers of others."""

import json
import re
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families
from read_binary import Reader, example
from websockets.sync.client import connect

RECORDS = 2500


def get(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
        return answer.read().decode()


def binary(address):
    """The same stretch of everything twice, in both forms, on one connection."""
    example()
    reader, texts, packed, sizes = Reader(), [], [], [0, 0]
    newest = max(
        record["tsRecv"] for record in json.loads(get(address, "/api/v1/tickers"))["tickers"]
    )
    with connect(f"ws://{address}/ws?format=binary", max_size=None) as socket:
        for form in ("json", "binary"):
            ask = {"op": "subscribe", "inst": "*", "channel": "*", "format": form}
            socket.send(json.dumps(ask | {"from": newest}))
        subs = {}
        while min(len(texts), len(packed)) < RECORDS:
            message = socket.recv(timeout=60)
            if isinstance(message, bytes):
                sub, seq, text = reader.record(message)
                packed.append(text)
                sizes[1] += len(message)
                assert seq == len(packed), "a hole in seq"
                continue
            value = json.loads(message)
            if value.get("type") == "template":
                reader.told(value)
            elif value.get("type") == "subscribed":
                subs[value["sub"]] = value["from"]
            else:
                texts.append(message[message.index('"record":') + 9 : -1])
                sizes[0] += len(message.encode())
                assert value["seq"] == len(texts), "a hole in seq"
    for i, (text, other) in enumerate(zip(texts, packed)):
        assert text == other, f"record {i}:\n{text}\n{other}"
    compared = min(len(texts), len(packed))
    assert len(subs) == 2, subs
    kinds = {json.loads(text)["type"] for text in texts}
    assert {"trade", "orderbook_delta", "kline", "ticker"} <= kinds, kinds
    share = sizes[1] / len(packed) / (sizes[0] / len(texts))
    print(f"binary: {compared} records equal, {len(reader.templates)} templates, "
          f"{100 * share:.0f} % of the bytes")


def metrics(address):
    text = get(address, "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    names = {sample.name for family in families.values() for sample in family.samples}
    documents = open("docs/api.md").read() + open("docs/tape.md").read()
    asked = set(re.findall(r"`((?:market_data|okx|sink)_[a-z0-9_]+)`", documents))
    missing = sorted(name for name in asked if name not in names and name not in families)
    assert not missing, f"documented, and not there: {missing}"
    assert any(name.startswith("market_data_serve_") for name in names)
    for family in families.values():
        assert family.documentation, f"{family.name} has no help"
    print(f"metrics: {len(names)} names parse, {len(asked)} documented ones are there")


if __name__ == "__main__":
    binary(sys.argv[1])
    metrics(sys.argv[1])
