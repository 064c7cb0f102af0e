"""Reads the tables of REST as Arrow, with pyarrow, and compares every value, as text, with what JSON says.

Tables change while they are read: a comparison counts if JSON was the same before and after."""

import json
import sys
import urllib.request

import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
CONSTANT = ("v", "type", "exchange")
RENAMED = {"timestamp": "ts_event", "seqId": "seq"}
LETTERS = "0123456789abcdefghi"
TRIES = 400


def get(address, path, accept="application/json"):
    ask = urllib.request.Request(f"http://{address}/api/v1/{path}", headers={"Accept": accept})
    with urllib.request.urlopen(ask, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith(accept), answer.headers["Content-Type"]
        return answer.read()


def column(field):
    """`baseVolume` is `base_volume`, by docs/parquet-schema.md."""
    return RENAMED.get(field) or "".join("_" + c.lower() if c.isupper() else c for c in field)


def number(value, letter, exact):
    """The venue's own text of a decimal, by docs/parquet-schema.md."""
    if letter == "!":
        assert value is None
        return next(exact)
    if letter == "-":
        assert value is None
        return None
    places = LETTERS.index(letter)
    sign, digits, exponent = value.as_tuple()
    whole = int("".join(map(str, digits))) * 10 ** (exponent + 18)
    scaled, rest = divmod(whole, 10 ** (18 - places))
    assert rest == 0, (value, letter)
    text = str(scaled).rjust(places + 1, "0")
    text = text[: len(text) - places] + ("." + text[len(text) - places :] if places else "")
    return ("-" if sign else "") + text


def rows(stream):
    """The table's rows, every value as text, and the table."""
    table = pa.ipc.open_stream(stream).read_all()
    decimals = [f.name for f in table.schema if pa.types.is_decimal(f.type)]
    times = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
    for name in times:
        field = table.schema.field(name)
        assert field.type in (pa.timestamp("ns"), pa.timestamp("ms")), field
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(name).cast(pa.int64()))
    for name in decimals:
        assert table.schema.field(name).type == pa.decimal128(38, 18), name
    made = []
    for row in table.to_pylist():
        if decimals:
            exact = iter((row.pop("exact") or "").split(" "))
            letters = row.pop("decimals")
            assert len(letters) == len(decimals)
            for name, letter in zip(decimals, letters):
                row[name] = number(row[name], letter, exact)
        made.append({k: None if v is None else text(v) for k, v in row.items()})
    return made, table


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)



def expected(record):
    """The same row as JSON has it."""
    row = {}
    for key, value in record.items():
        if key in CONSTANT:
            continue
        if key in ("from", "to") and isinstance(value, dict):
            row[f"{key}_id"], row[f"{key}_ts_recv"] = value["id"], value["tsRecv"]
        elif key == "instrument" or isinstance(value, (list, dict)):
            row[column(key)] = value
        else:
            row[column(key)] = value
    return row


def compare(name, got, wanted):
    assert len(got) == len(wanted), (name, len(got), len(wanted))
    values = 0
    for row, record in zip(got, wanted):
        record = expected(record)
        for key, value in record.items():
            assert key in row, f"{name}: {key} is no column"
            if isinstance(value, (list, dict)):
                assert json.loads(row[key]) == value, (name, key)
            else:
                assert row[key] == (None if value is None else text(value)), (name, key, row[key], value)
            values += 1
        for key in row.keys() - record.keys():
            assert row[key] is None, f"{name}: {key} is not in JSON"
    return values


def table(address, path, must=1):
    name = path.split("?")[0]
    for _ in range(TRIES):
        before = get(address, path)
        stream = get(address, path, ARROW)
        if get(address, path) != before:
            continue
        answer = json.loads(before)
        got, made = rows(stream)
        about = {k.decode(): v.decode() for k, v in made.schema.metadata.items()}
        if name == "book":
            wanted = [
                {"side": side, "level": i, "price": level[0], "quantity": level[1], "orders": level[2]}
                for side, levels in (("bid", answer["bids"]), ("ask", answer["asks"]))
                for i, level in enumerate(levels)
            ]
            for key in ("instId", "channel", "state", "lastUpdateId", "timestamp", "tsRecv"):
                assert about[f"market_data.{key}"] == str(answer[key]), key
        else:
            wanted = answer[name]
            for record in wanted:
                for key in CONSTANT:
                    assert key not in record or about[f"market_data.{key}"] == str(record[key])
        assert len(wanted) >= must, f"{path}: {len(wanted)} rows"
        return compare(path, got, wanted), len(wanted)
    raise SystemExit(f"{path} never stood still")


def main(address):
    inst = json.loads(get(address, "tickers"))["tickers"][0]["instId"]
    # Whole bars and trades that are behind us stand still.
    trades = json.loads(get(address, f"trades?inst={inst}&limit=200"))["trades"]
    last = trades[len(trades) // 2]["tradeId"]
    values = lines = 0
    for path, must in (
        ("instruments?limit=5000&q=OPTION", 0),
        ("instruments?limit=50&type=FUTURES", 1),
        (f"trades?inst={inst}&limit=50&before={last}", 1),
        (f"klines?inst={inst}&limit=50", 1),
        (f"tickers?inst={inst}", 1),
        (f"book?inst={inst}&depth=20", 40),
        (f"book?inst={inst}&depth=5&step=1", 2),
        ("gaps?limit=100", 0),
        ("gaps?feed=99999", 0),
    ):
        counted, rows_there = table(address, path, must)
        values, lines = values + counted, lines + rows_there
    # These say how much has come, so they never stand still; what does not move is the same.
    for name, keys in (("watch", ("inst_id", "inst_type")), ("feeds", ("feed", "url"))):
        got, _ = rows(get(address, name, ARROW))
        wanted = [expected(row) for row in json.loads(get(address, name))[name]]
        assert [[r[k] for k in keys] for r in got] == [[text(r[k]) for k in keys] for r in wanted], name
        assert all(key in got[0] for key in wanted[0]), name
    print(f"arrow: {values} values of {lines} rows are those of JSON")


if __name__ == "__main__":
    main(sys.argv[1])
