#!/usr/bin/env python3
"""Reads a tape and prints it as NDJSON: read_tape.py PATH

Written from docs/tape-format.md alone, so that the page is known to be enough. It shares no code
with the recorder. Needs Python 3.9 or later and the package `zstandard`.

Prints one line a record, and one line a stretch of bytes that cannot be read:
{"damage": true, "segment": NAME, "offset": N, "bytes": N}.
"""

import json
import re
import struct
import sys
from pathlib import Path

import zstandard

MAGIC = b"\x50\x2a\x4d\x18"
HEADER, BLOCK, INDEX, FOOTER = b"MDTH", b"MDTB", b"MDTI", b"MDTF"
HEAD_LEN = FOOTER_LEN = 80
RAW_MAX = (80 << 20) + 64
ALL_FEEDS = 4294967295
NAME = re.compile(r"tape-.*-([0-9]{6,})\.mdt")


# ---- sums (section 2)


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


# ---- frames (section 3)


class Damaged(Exception):
    """The bytes are not what they should be."""


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def skippable(data, at, tag):
    """The skippable frame at `at`, whole, with its sum checked; None if it is not one."""
    if data[at : at + 4] != MAGIC or data[at + 8 : at + 12] != tag or at + 12 > len(data):
        return None
    length = u32(data, at + 4) + 8
    frame = data[at : at + length]
    if len(frame) < length or length < 16 or u32(frame, length - 4) != crc32c(frame[:-4]):
        return None
    return frame


class Head:
    """The head of a block; raises Damaged when its sum does not hold."""

    def __init__(self, data, at, segment):
        head = data[at : at + HEAD_LEN]
        if len(head) < HEAD_LEN or head[:4] != MAGIC or head[8:12] != BLOCK:
            raise Damaged("no block")
        if u32(head, 76) != crc32c(head[:76]):
            raise Damaged("sum over a head")
        kind, flags = head[12], head[13]
        self.first_number = u64(head, 24)
        self.records, self.raw_len, self.stored_len, self.crc = struct.unpack_from("<4I", head, 32)
        self.first_ts = u64(head, 48)
        self.zstd = flags == 1
        self.end = at + HEAD_LEN + self.stored_len
        if kind != 1 or flags > 1 or u64(head, 16) != segment or self.raw_len > RAW_MAX:
            raise Damaged("a block of another kind or segment")
        inside = 0 if self.zstd else self.stored_len
        if u32(head, 4) != 72 + inside:
            raise Damaged("length of a block")

    def unpack(self, data, at):
        stored = data[at + HEAD_LEN : self.end]
        if len(stored) < self.stored_len or crc32c(stored) != self.crc:
            raise Damaged("sum over a block")
        if not self.zstd:
            return stored
        return zstandard.ZstdDecompressor().decompress(stored, max_output_size=self.raw_len)


def good_frame_at(data, at, segment, expected):
    """Whether a frame that can be trusted begins here (section 7)."""
    try:
        head = Head(data, at, segment)
        return head.first_number >= expected
    except Damaged:
        pass
    if data[at + 8 : at + 12] == INDEX and at + 12 <= len(data):
        after = at + u32(data, at + 4) + 8
        footer = skippable(data, after, FOOTER)
        return footer is not None and u64(footer, 56) == at
    footer = skippable(data, at, FOOTER)
    return footer is not None and u64(footer, 16) == segment


def next_good_frame(data, at, segment, expected):
    while True:
        at = data.find(MAGIC, at)
        if at < 0:
            return len(data)
        if good_frame_at(data, at, segment, expected):
            return at
        at += 1


def segment_items(path):
    """Yields (head, raw bytes) for each good block, (offset, length) for each damaged stretch."""
    data = path.read_bytes()
    segment = int(NAME.fullmatch(path.name).group(1))
    at, expected = 0, 0
    while at < len(data):
        frame = None
        for tag in (HEADER, INDEX, FOOTER):
            frame = frame or skippable(data, at, tag)
        if frame is not None:
            if frame[8:12] == HEADER and struct.unpack_from("<H", frame, 12)[0] > 1:
                sys.exit(f"{path}: a later format")
            at += len(frame)
            continue
        search = at + 1
        try:
            head = Head(data, at, segment)
            search = at + HEAD_LEN
            if head.end <= len(data) and good_end(data, head.end, segment, expected):
                search = head.end
            raw = head.unpack(data, at)
        except Damaged:
            found = next_good_frame(data, search, segment, expected)
            yield at, found - at
            at = found
            continue
        yield head, raw
        expected = head.first_number + head.records
        at = head.end


def good_end(data, at, segment, expected):
    return at == len(data) or good_frame_at(data, at, segment, expected)


# ---- records (section 4)


class Bytes:
    """Takes values off the front of some bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        taken = self.data[self.at : self.at + length]
        if len(taken) < length:
            raise Damaged("a record ends too early")
        self.at += length
        return taken

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value & (2**64 - 1)

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def counted(self):
        return self.take(self.varint())

    def text(self):
        return self.counted().decode()

    def option(self, read):
        return read() if self.byte() else None

    def rest(self):
        taken = self.data[self.at :]
        self.at = len(self.data)
        return taken

    def subscription(self):
        return {"channel": self.text(), "key": self.text()}

    def subscriptions(self):
        return [self.subscription() for _ in range(self.varint())]

    def known(self):
        return {
            "channel": self.text(),
            "key": self.text(),
            "last": self.option(self.varint),
            "heard": self.varint(),
        }

    def instruments(self):
        return [Bytes(self.counted()).instrument() for _ in range(self.varint())]

    def instrument(self):
        fields = {"inst_id": self.text(), "inst_type": self.option(self.text)}
        for name in (
            "state inst_family uly base_ccy quote_ccy settle_ccy ct_val_ccy ct_type".split()
        ):
            fields[name] = self.text()
        for name in "ct_val ct_mult tick_sz lot_sz min_sz".split():
            fields[name] = self.option(self.text)
        for name in "list_time exp_time".split():
            fields[name] = self.option(self.varint)
        fields["inst_id_code"] = self.option(self.zigzag)
        fields["row"] = self.text()
        return fields


def feed_config(data):
    """Section 5; nothing if the configuration is not one of this project's."""
    b = Bytes(data)
    try:
        version = b.varint()
        if version not in range(1, 257):
            return {}
        fields = {
            "login": bool(version - 1 & 1),
            "refill": bool(version - 1 & 2),
            "sbe": bool(version - 1 & 4),
            "funding": bool(version - 1 & 64),
            "successor": bool(version - 1 & 128),
            "url": b.text(),
            "view_depth": b.varint(),
            "deltas": bool(b.byte()),
            "seed": b.varint(),
            "subscriptions": b.subscriptions(),
            "instruments": b.instruments(),
            "bars": False,
            "known": [],
        }
        if version - 1 & 8:
            fields["bars"] = bool(b.byte())
            fields["known"] = [b.known() for _ in range(b.varint())]
        lines = bool(version - 1 & 16)
        fields["more_lines"] = b.byte() if lines else 0
        fields["rotate_ns"] = b.varint() if lines else 0
        fields["witness_ns"] = b.varint() if version - 1 & 32 else 0
        return fields
    except (Damaged, UnicodeDecodeError):
        return {}


def payload(kind, b):
    if kind in (1, 2):
        venue, config = b.text(), b.rest()
        return {"venue": venue, "config": config.hex(), **feed_config(config)}
    if kind == 18:
        return {"frame": b.rest().hex()}
    if kind == 19:
        return {"code": b.option(b.varint), "reason": b.rest().decode()}
    if kind == 21:
        return {"id": b.varint(), "status": b.varint(), "body": b.rest().hex()}
    if kind in (22, 23):
        return {"subscriptions": b.subscriptions()}
    if kind == 25:
        return {"subscriptions": [b.subscription()]}
    if kind == 28:
        return {"known": [b.known() for _ in range(b.varint())]}
    if kind == 26:
        return {"instruments": b.instruments()}
    if kind in (16, 17, 20, 24, 27, 30):
        return {}
    if kind == 31:
        line, news = b.byte(), b.byte()
        return {"line": line, "news": news, **payload(news, b)}
    if kind in (32, 37):
        fields = {name: b.varint() for name in ("inputs", "events", "actions")}
        for name in ("events_digest", "actions_digest"):
            fields[name] = f"{u64(b.take(8), 0):016x}"
        return fields
    if kind == 33:
        return {
            "from": b.varint(),
            "to": b.varint(),
            "records": b.option(b.varint),
            "unsure": b.varint(),
            "bytes": b.varint(),
            "why": b.rest().decode(),
        }
    if kind == 34:
        return {"note": b.rest().decode()}
    if kind == 35:
        return {"venue": b.text(), "config": b.counted().hex(), "state": b.rest().hex()}
    if kind == 36:
        return {"path": b.text(), "status": b.varint(), "body": b.rest().hex()}
    return {"payload": b.rest().hex()}


def records(head, raw):
    block, ts = Bytes(raw), head.first_ts
    for n in range(head.records):
        record = Bytes(block.counted())
        kind, feed = record.byte(), record.varint()
        ts = (ts + record.zigzag()) % 2**64
        fields = {"ordinal": head.first_number + n, "feed": feed, "ts": ts, "kind": kind}
        yield {**fields, **payload(kind, record)}


def segments(path):
    if path.is_file():
        return [path]
    named = [p for p in path.iterdir() if NAME.fullmatch(p.name)]
    return sorted(named, key=lambda p: int(NAME.fullmatch(p.name).group(1)))


def read(path):
    """Every record of a tape, and the damage between them, as dictionaries."""
    for segment in segments(Path(path)):
        for first, second in segment_items(segment):
            if isinstance(first, Head):
                yield from records(first, second)
            else:
                yield {"damage": True, "segment": segment.name, "offset": first, "bytes": second}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for item in read(sys.argv[1]):
        print(json.dumps(item, ensure_ascii=False))


if __name__ == "__main__":
    main()
