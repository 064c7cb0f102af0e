"""Every value of an archive, read with DuckDB, Polars and pyarrow, against the records as JSON.

Usage: check.py ARCHIVE RECORDS. Written from docs/parquet-schema.md and docs/records.md alone.
"""

import decimal
import json
import pathlib
import re
import sys

import duckdb
import polars
import pyarrow as pa
import pyarrow.dataset

LETTERS = "0123456789abcdefghi"
RENAMED = {"timestamp": "ts_event", "prevUpdateId": "prev_seq", "lastUpdateId": "seq", "seqId": "seq"}
IN_PATH = {"v", "type", "exchange", "symbol"}
CONTEXT = decimal.Context(prec=60)


def column(field):
    return RENAMED.get(field) or re.sub("[A-Z]", lambda m: "_" + m.group().lower(), field)


def with_duckdb(table):
    return duckdb.sql(f"select * from read_parquet('{table}/**/*.parquet', hive_types_autocast=false)").to_arrow_table()


def with_polars(table):
    found = polars.read_parquet(f"{table}/**/*.parquet", hive_partitioning=True, try_parse_hive_dates=False)
    return found.to_arrow()


def with_pyarrow(table):
    root = next(parent for parent in [table, *table.parents] if parent.name.startswith("venue=")).parent
    return pyarrow.dataset.dataset(table, format="parquet", partitioning="hive", partition_base_dir=str(root)).to_table()


def plain(table):
    """The rows, with times as whole nanoseconds or milliseconds."""
    columns = {}
    for name in table.column_names:
        values = table[name]
        kind = values.type
        if pa.types.is_timestamp(kind):
            unit = "ns" if name.endswith("ts_recv") else "ms"
            assert kind.tz is None, f"{name} has a time zone"
            assert unit != "ns" or kind.unit == "ns", f"{name} was cut to {kind.unit}"
            values = values.cast(pa.timestamp(unit)).cast(pa.int64())
        columns[name] = values.to_pylist()
    decimals = [n for n in table.column_names if pa.types.is_decimal(table[n].type)]
    for name in decimals:
        assert table[name].type.scale == 18, f"{name} is {table[name].type}"
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    for row in rows:
        restore(row, decimals)
    return rows


def restore(row, decimals):
    """Numbers as the venue wrote them."""
    exact = iter((row.pop("exact", None) or "").split(" "))
    letters = row.pop("decimals", None) or ""
    assert len(letters) == len(decimals), f"{letters!r} for {decimals}"
    for letter, name in zip(letters, decimals):
        value = row[name]
        if letter == "!":
            assert value is None
            row[name] = next(exact)
        elif letter == "-":
            assert value is None
        else:
            unit = decimal.Decimal(1).scaleb(-LETTERS.index(letter))
            quantized = value.quantize(unit, context=CONTEXT)
            assert quantized == value, f"{name}: {value} has more than {letter} decimals"
            row[name] = f"{quantized:f}"


def level(row):
    found = [row["price"], row["quantity"], row["orders"]]
    return found + [row["non_rpi"]] if row["non_rpi"] is not None else found


def compare(record, rows, name):
    for field, expected in record.items():
        first = rows[0]
        if field in IN_PATH:
            continue
        if field in ("bids", "asks"):
            got = [level(row) for row in rows if row["side"] == field[:-1]]
            numbers = [row["level"] for row in rows if row["side"] == field[:-1]]
            assert numbers == list(range(len(numbers))), f"{name}: levels {numbers}"
        elif field in ("from", "to"):
            got = {"id": first[f"{field}_id"], "tsRecv": first[f"{field}_ts_recv"]}
        elif field in ("instrument", "data") and expected is not None:
            got = json.loads(first[field])
        elif field == "tradeId":
            got = str(first["trade_id"])
        else:
            got = first[column(field)]
        assert got == expected, f"{name}: {field} is {got!r} instead of {expected!r} in {record}"


def place(record):
    """The table of a record."""
    kinds = {"gap": "gaps", "session": "sessions", "subscription": "subscriptions", "fault": "faults",
             "instrument": "instruments"}
    if record["type"] in kinds:
        return f"table={kinds[record['type']]}"
    if record["type"] == "raw":
        return f"table=raw/channel={record['channel']}"
    return f"channel={record['channel']}"


def main():
    archive, records = pathlib.Path(sys.argv[1]), {}
    with open(sys.argv[2], encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            key = (record["tsRecv"], record["feed"], record["n"])
            records.setdefault(place(record), {})[key] = record
    values = 0
    for name, expected in sorted(records.items()):
        table = archive / "venue=okx" / name
        for reader in (with_duckdb, with_polars, with_pyarrow):
            rows = {}
            for row in plain(reader(table)):
                rows.setdefault((row["ts_recv"], row["feed"], row["n"]), []).append(row)
            assert rows.keys() == expected.keys(), f"{name}: other records by {reader.__name__}"
            for key, record in expected.items():
                compare(record, rows[key], f"{name} by {reader.__name__}")
                values += len(record)
    tables = sum(len(found) for found in records.values())
    print(f"parquet: {tables} records of {len(records)} tables, {values} values read three ways, all exact")


main()
