"""Reads the exports in DIR with the tools they are for, and compares them with the records.

The truth is the NDJSON export: every change of every book, rebuilt here with a dictionary and
exact decimals. Nothing of the project's code is used.
"""

import bisect
import contextlib
import csv
import gzip
import io
import json
import pathlib
import random
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.data import validate_event_order
from hftbacktest.data.utils import tardis
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype

TRADE, CLEAR = 2, 3


class Life:
    """What happened to one instrument: its book after each change, its trades."""

    def __init__(self):
        self.bids, self.asks = {}, {}
        self.at, self.books, self.snapshots = [], [], 0
        self.trades = []

    def change(self, record):
        if record["isSnapshot"]:
            self.bids, self.asks = {}, {}
            self.snapshots += 1
        for side, name in ((self.bids, "bids"), (self.asks, "asks")):
            for px, qty, *_ in record[name]:
                if Decimal(qty) == 0:
                    side.pop(Decimal(px), None)
                else:
                    side[Decimal(px)] = Decimal(qty)
        # OKX leaves it to whoever keeps the book to drop what is beyond its depth.
        self.bids = dict(sorted(self.bids.items(), reverse=True)[: record["depth"]])
        self.asks = dict(sorted(self.asks.items())[: record["depth"]])
        self.at.append(record["tsRecv"])
        self.books.append((dict(self.bids), dict(self.asks)))

    def book_at(self, ns):
        return self.books[bisect.bisect_right(self.at, ns) - 1]


def truth(work):
    lives, kinds = {}, {}
    for path in sorted((work / "ndjson").glob("*.ndjson.gz")):
        for line in gzip.open(path, "rt"):
            record = json.loads(line)
            kinds[record["type"]] = kinds.get(record["type"], 0) + 1
            if record["type"] == "orderbook_delta":
                lives.setdefault(record["instId"], Life()).change(record)
            elif record["type"] == "trade":
                lives.setdefault(record["instId"], Life()).trades.append(record)
    return lives, kinds


def of_csv(work, inst, kind):
    """Days of one kind of file of tardis.dev, as lists of dictionaries of text."""
    for path in sorted((work / "tardis-csv").glob(f"okex*_{kind}_*_{inst}.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            yield list(csv.DictReader(file))


def check_tardis(work, inst, life):
    books = 0
    for rows in of_csv(work, inst, "incremental_book_L2"):
        sides, was_snapshot = {"bid": {}, "ask": {}}, False
        for i, row in enumerate(rows):
            is_snapshot = row["is_snapshot"] == "true"
            if is_snapshot and not was_snapshot:
                sides = {"bid": {}, "ask": {}}
            was_snapshot = is_snapshot
            side, px, qty = sides[row["side"]], Decimal(row["price"]), Decimal(row["amount"])
            if qty == 0:
                side.pop(px, None)
            else:
                side[px] = qty
            last = i + 1 == len(rows)
            if last or rows[i + 1]["local_timestamp"] != row["local_timestamp"]:
                bids, asks = life.book_at(int(row["local_timestamp"]) * 1000 + 999)
                assert sides["bid"] == bids and sides["ask"] == asks, (inst, row)
                books += 1
    for rows in of_csv(work, inst, "quotes"):
        for row in rows:
            bids, asks = life.book_at(int(row["local_timestamp"]) * 1000 + 999)
            best = lambda side, of: of(side.items(), default=(None, None), key=lambda x: x[0])
            bid, ask = best(bids, max), best(asks, min)
            want = [ask[1], ask[0], bid[0], bid[1]]
            got = [row[k] for k in ("ask_amount", "ask_price", "bid_price", "bid_amount")]
            assert [Decimal(x) if x else None for x in got] == want, (inst, row)
    trades = [row for rows in of_csv(work, inst, "trades") for row in rows]
    want = [(t["tradeId"], t["side"], t["price"], t["quantity"]) for t in life.trades]
    assert [(t["id"], t["side"], t["price"], t["amount"]) for t in trades] == want, inst
    return books, len(trades)


def check_converter(work, inst):
    """hftbacktest's own reader of tardis.dev files takes ours."""
    files = []
    for kind in ("trades", "incremental_book_L2"):
        files += sorted(map(str, (work / "tardis-csv").glob(f"okex*_{kind}_*_{inst}.csv.gz")))
    if not files:
        return 0
    with contextlib.redirect_stdout(io.StringIO()):
        data = tardis.convert(files, buffer_size=2_000_000)
    return len(data)


def check_array(path):
    data = np.load(path)["data"]
    assert data.dtype == event_dtype, data.dtype
    validate_event_order(data)
    for flag in (EXCH_EVENT, LOCAL_EVENT):
        assert np.all(np.diff(data["local_ts" if flag == LOCAL_EVENT else "exch_ts"]
                              [data["ev"] & flag != 0]) >= 0)
    assert np.all(data["local_ts"] >= data["exch_ts"])
    return data


def check_backtest(path, inst, life, about, shift, rng):
    """Walks depth and trades as a strategy would; the book must be ours at every moment."""
    data = check_array(path)
    local = data[data["ev"] & LOCAL_EVENT != 0]
    clears = int(np.sum(local["ev"] & 0xFF == CLEAR))
    assert clears == life.snapshots, (inst, clears, life.snapshots)
    trades = local[local["ev"] & 0xFF == TRADE]
    assert [float(t["price"]) for t in life.trades] == list(trades["px"]), inst
    assert [float(t["quantity"]) for t in life.trades] == list(trades["qty"]), inst
    tick, lot = float(about["tick_size"]), float(about["lot_size"])
    asset = (
        BacktestAsset()
        .data([str(path)])
        .linear_asset(1.0)
        .constant_order_latency(10_000_000, 10_000_000)
        .power_prob_queue_model(2.0)
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(tick)
        .lot_size(lot)
        .last_trades_capacity(100_000)
    )
    hbt = HashMapMarketDepthBacktest([asset])
    steps = seen = whole = 0
    while hbt.elapse(int(rng.uniform(1, 200) * 1e6)) == 0:
        now, depth = hbt.current_timestamp - shift, hbt.depth(0)
        seen += len(hbt.last_trades(0))
        hbt.clear_last_trades(0)
        if not life.at or now < life.at[0]:
            continue
        bids, asks = life.book_at(now)
        ticks = lambda px: round(px / Decimal(about["tick_size"]))
        want = [ticks(max(bids)) if bids else None, ticks(min(asks)) if asks else None]
        got = [depth.best_bid_tick if bids else None, depth.best_ask_tick if asks else None]
        assert got == want, (inst, now, got, want)
        steps += 1
        if steps % 10 == 0:
            # Every tick from the best level to beyond the worst, so that no ghost is left.
            for side, qty_at in ((bids, depth.bid_qty_at_tick), (asks, depth.ask_qty_at_tick)):
                levels = {ticks(px): float(qty) for px, qty in side.items()}
                for at in range(min(levels) - 300, max(levels) + 300) if levels else ():
                    assert qty_at(at) == levels.get(at, 0.0), (inst, now, at)
            whole += 1
    seen += len(hbt.last_trades(0))
    assert seen == len(life.trades), (inst, seen, len(life.trades))
    hbt.close()
    return steps, whole


def check_plain(work, kinds):
    rows = {}
    for path in sorted((work / "csv").glob("*/*/*.csv.gz")):
        kind = path.parts[-3]
        frame = pl.read_csv(path, infer_schema_length=None)
        again = pd.read_csv(path, dtype=str, keep_default_na=False)
        assert list(frame.columns) == list(again.columns) and len(frame) == len(again), path
        records = len(again[["feed", "n"]].drop_duplicates())
        rows[kind] = rows.get(kind, 0) + records
    assert rows == kinds, (rows, kinds)
    return sum(rows.values())


def main():
    work = pathlib.Path(sys.argv[1])
    seed = 20261123
    rng = random.Random(seed)
    print(f"seed {seed}")
    lives, kinds = truth(work)
    with open(work / "hftbacktest" / "instruments.csv", newline="") as file:
        about = {row["inst_id"]: row for row in csv.DictReader(file)}
    with open(work / "hftbacktest" / "files.csv", newline="") as file:
        shifts = {row["file"]: int(row["local_ts_shift_ns"]) for row in csv.DictReader(file)}
    with open(work / "tardis-csv" / "gaps.csv", newline="") as file:
        gaps = list(csv.DictReader(file))
    assert len(gaps) == kinds.get("gap", 0), (len(gaps), kinds)
    sums = dict(books=0, trades=0, steps=0, whole=0, converted=0, snapshots=0)
    for inst, life in sorted(lives.items()):
        books, trades = check_tardis(work, inst, life)
        converted = check_converter(work, inst)
        days = sorted((work / "hftbacktest").glob(f"{inst}_*.npz"))
        # Around midnight there are two, each beginning with the book; then the walk is of one.
        steps = whole = 0
        if len(days) == 1:
            shift = shifts[days[0].name]
            steps, whole = check_backtest(days[0], inst, life, about[inst], shift, rng)
        else:
            for day in days:
                check_array(day)
        for name, more in (("books", books), ("trades", trades), ("steps", steps),
                           ("whole", whole), ("converted", converted),
                           ("snapshots", life.snapshots)):
            sums[name] += more
    # Faults come by the clock: a subscription may be refused all the time, but not every one.
    assert sums["snapshots"] > 0 and sums["trades"] > 0 and sums["steps"] > 0, sums
    derivative = sum(len(r) for r in of_csv(work, "BTC-USDT-SWAP", "derivative_ticker"))
    records = check_plain(work, kinds)
    print(
        f"exports: {len(lives)} instruments, {sums['books']} books rebuilt exactly from CSV, "
        f"{sums['trades']} trades equal, {sums['snapshots']} snapshots, {len(gaps)} gap rows, "
        f"{derivative} derivative rows; hftbacktest read {sums['converted']} rows of our CSV and "
        f"walked {sums['steps']} steps, {sums['whole']} of them over the whole depth; "
        f"{records} records read by polars and pandas"
    )


if __name__ == "__main__":
    main()
