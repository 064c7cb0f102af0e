"""The digest of events, made from their JSON: docs/tape-format.md, section 6.

Written from that page and docs/records.md alone, like read_tape.py. What is text and what is a
decimal number looks alike in JSON; TEXTS lists the texts of the kinds that the test meets.
"""

import json

MASK = 2**64 - 1
P1, P2, P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P4, P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5

TEXTS = set(
    "type exchange channel instId instType symbol unit side source interval enrichedFrom filledFrom"
    " state event cause whose healed url reason connId code frame".split()
)
# Fields that are left out when they are absent, by kind.
RARE = {
    "ticker": {"volCcy24h"},
    "trade": {"filledFrom"},
    "kline": {"volCcy", "enrichedFrom", "state", "filledFrom"},
}
VENUES_JSON = {"instrument", "data"}


def rotate(x, bits):
    return ((x << bits) | (x >> (64 - bits))) & MASK


def mixed(lane, value):
    return rotate((lane + value * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    def number(at, length):
        return int.from_bytes(data[at : at + length], "little")

    at, result = 0, P5
    if len(data) >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= len(data):
            lanes = [mixed(lane, number(at + 8 * i, 8)) for i, lane in enumerate(lanes)]
            at += 32
        result = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            result = ((result ^ mixed(0, lane)) * P1 + P4) & MASK
    result = (result + len(data)) & MASK
    while at + 8 <= len(data):
        result = (rotate(result ^ mixed(0, number(at, 8)), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        result = (rotate(result ^ (number(at, 4) * P1 & MASK), 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        result = rotate(result ^ (byte * P5 & MASK), 11) * P1 & MASK
    result = (result ^ (result >> 33)) * P2 & MASK
    result = (result ^ (result >> 29)) * P3 & MASK
    return result ^ (result >> 32)


assert xxh64(b"abc") == 0x44BC2CF5AD770999


def word(number):
    return (number & MASK).to_bytes(8, "little")


class Number:
    """Decimal text."""

    def __init__(self, text):
        self.minus = text.startswith("-")
        whole, _, fraction = text.lstrip("-").partition(".")
        self.digits, self.decimals = int(whole + fraction), len(fraction)
        self.short = not self.minus and self.digits < 2**64
        self.low = word(self.digits)
        self.high = word((self.digits >> 64) + (self.decimals << 56) + (self.minus << 63))

    def bytes(self):
        if self.short:
            return bytes([64 + self.decimals]) + self.low
        return b"\x05" + self.low + self.high


def levels(value):
    out = b"\x09" + word(len(value))
    for price, quantity, orders, *third in value:
        price, quantity = Number(price), Number(quantity)
        if price.short and quantity.short and not third:
            out += word(orders + (price.decimals << 32) + (quantity.decimals << 40))
            out += price.low + quantity.low
            continue
        out += word(orders + 2**48 + (2**49 if third else 0))
        out += price.low + quantity.low + price.high + quantity.high
        out += b"".join(number.low + number.high for number in map(Number, third))
    return out


def field(kind, name, value, text):
    if value is None or value is False or value is True:
        return bytes([{None: 0, False: 1, True: 2}[value]])
    if name in VENUES_JSON:
        return b"\x07" + word(len(text.encode())) + text.encode()
    if kind == "trade" and name == "tradeId":
        value = int(value)
    if isinstance(value, int):
        return (b"\x03" if value >= 0 else b"\x04") + word(value)
    if isinstance(value, dict):
        ends = (field(kind, end, value[end], "") for end in ("id", "tsRecv"))
        return b"\x08" + b"".join(ends)
    if isinstance(value, list):
        return levels(value)
    if name not in TEXTS:
        return Number(value).bytes()
    value = value.encode()
    head = bytes([16 + len(value)]) if len(value) < 16 else b"\x06" + word(len(value))
    return head + value


def event(line):
    """The bytes of one event, from its line of JSON."""
    decoder, out, at, kind = json.JSONDecoder(), b"", 1, None
    while line[at] != "}":
        at += line[at] == ","
        name, at = decoder.raw_decode(line, at)
        value, end = decoder.raw_decode(line, at + 1)
        kind = value if name == "type" else kind
        if name in RARE.get(kind, ()):
            out += b"\x0a" + word(len(name)) + name.encode()
        out += field(kind, name, value, line[at + 1 : end])
        at = end
    return out + b"\x0b"
