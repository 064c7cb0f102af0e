"""Reads the binary form of /ws; written from docs/binary.md alone.

`Reader` takes messages as they come; `record` gives the JSON text of a binary one.
"""

import json


class Reader:
    def __init__(self):
        self.templates = {0: None}

    def told(self, message):
        """A template, as the text message told it."""
        self.templates[message["template"]] = message["fields"] or None

    def record(self, message):
        """sub, seq and JSON text of a binary message; None if it is none of ours."""
        if not message or message[0] != 1:
            return None
        data = Data(message, 1)
        sub, seq, number = data.varint(), data.varint(), data.varint()
        fields = self.templates[number]
        if fields is None:
            text = data.value()
        else:
            parts = []
            for field in fields:
                value = plain(field[1]) if len(field) == 2 else data.value()
                parts.append(json.dumps(field[0]) + ":" + value)
            text = "{" + ",".join(parts) + "}"
        assert data.at == len(message), "bytes are left"
        return sub, seq, text


def plain(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def decimal(digits, decimals):
    text = str(digits).rjust(decimals + 1, "0")
    return text[:-decimals] + "." + text[-decimals:] if decimals else text


class Data:
    def __init__(self, message, at):
        self.message, self.at = message, at

    def byte(self):
        self.at += 1
        return self.message[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self):
        length = self.varint()
        self.at += length
        return self.message[self.at - length : self.at].decode()

    def value(self):
        tag = self.byte()
        if tag <= 2:
            return ("null", "false", "true")[tag]
        if tag == 3:
            return str(self.varint())
        if tag == 4:
            return "-" + str(self.varint() + 1)
        if tag == 5:
            return '"' + self.text() + '"'
        if tag == 6:
            return self.text()
        if tag == 7:
            return "[" + ",".join(self.value() for _ in range(self.varint())) + "]"
        if tag == 8:
            return self.levels()
        if 16 <= tag <= 56:
            return '"' + decimal(self.varint(), tag - 16) + '"'
        if 64 <= tag <= 104:
            return '"-' + decimal(self.varint(), tag - 64) + '"'
        raise ValueError(f"no such tag: {tag}")

    def quantity(self):
        decimals = self.byte()
        return '"' + decimal(self.varint(), decimals) + '"'

    def levels(self):
        width, decimals, count = self.byte(), self.byte(), self.varint()
        digits, levels = 0, []
        for _ in range(count):
            z = self.varint()
            digits += -(z + 1) // 2 if z % 2 else z // 2
            level = ['"' + decimal(digits, decimals) + '"', self.quantity(), str(self.varint())]
            if width == 4:
                level.append(self.quantity())
            levels.append("[" + ",".join(level) + "]")
        return "[" + ",".join(levels) + "]"


def example():
    """The example at the end of the document."""
    reader = Reader()
    reader.told({"template": 1, "fields": [["v", 1], ["type", "x"], ["px"], ["n"]]})
    message = bytes.fromhex("01 02 05 01 12 e2 09 03 ac 02")
    assert reader.record(message) == (2, 5, '{"v":1,"type":"x","px":"12.50","n":300}')


if __name__ == "__main__":
    example()
