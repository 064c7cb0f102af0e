"""Takes OKX frames through cryptofeed's own handlers and says how long its process worked.

The benchmark in src/cryptofeed.rs starts this and speaks lines with it: `load PATH` takes a file of
frames (one a line, an empty line after each connection) and answers what came out of a first pass;
`pass` answers the processor time of one pass from nothing, in nanoseconds. Answers are JSON lines.

No connection is opened: instruments come from the frames. Everything is as cryptofeed sets it by
default, so no checksum is computed; each kind has one asynchronous callback, which counts.
"""

import asyncio
import json
import sys
import time
from importlib.metadata import version

from cryptofeed.defines import CANDLES, L2_BOOK, TICKER, TRADES
from cryptofeed.exchanges import OKX
from cryptofeed.symbols import Symbols

KINDS = {TRADES: "trades", L2_BOOK: "changes", TICKER: "tickers", CANDLES: "bars"}


def instruments(connections):
    """Tells cryptofeed of every instrument in the frames, under OKX's own names."""
    heads = [json.loads(frame).get("arg", {}) for frames in connections for frame in frames]
    ids = {head.get("instId", "") for head in heads}
    Symbols.set(OKX.id, {name: name for name in ids}, {"instrument_type": {}, "tick_size": {}})


class Counter:
    """A callback of the user: counts what it is given."""

    def __init__(self):
        self.count = 0

    async def __call__(self, made, receipt_timestamp):
        self.count += 1


async def take(feed, frames):
    """What cryptofeed does for each message of a connection.

    Its own client connects again after a frame it fails on. Here the frame is missing from the
    counts, which then differ from what the frames hold.
    """
    for frame in frames:
        try:
            await feed.message_handler(frame, None, time.time())
        except Exception:
            continue


async def run(connections):
    """One pass from nothing: counts, feeds and nanoseconds."""
    counters = {kind: Counter() for kind in KINDS}
    feeds = [OKX(callbacks=dict(counters)) for _ in connections]
    start = time.process_time_ns()
    for feed, frames in zip(feeds, connections):
        await take(feed, frames)
    worked = time.process_time_ns() - start
    return {KINDS[kind]: counter.count for kind, counter in counters.items()}, feeds, worked


def best(feeds):
    """Connection, instrument, best bid and best ask in billionths, of every book."""
    for number, feed in enumerate(feeds):
        for name, held in feed._l2_book.items():
            if len(held.book.bids) and len(held.book.asks):
                sides = (held.book.bids.index(0)[0], held.book.asks.index(0)[0])
                yield [number, name, *(int(price * 10**9) for price in sides)]


def read(path):
    """The frames of each connection."""
    with open(path, encoding="utf-8") as file:
        return [part.split("\n") if part else [] for part in file.read().split("\n\n")[:-1]]


def main():
    connections = []
    print(json.dumps({"version": version("cryptofeed")}), flush=True)
    for line in sys.stdin:
        command, _, path = line.strip().partition(" ")
        if command == "load":
            connections = read(path)
            instruments(connections)
            counts, feeds, _ = asyncio.run(run(connections))
            answer = {**counts, "best": list(best(feeds))}
        else:
            answer = {"ns": asyncio.run(run(connections))[2]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
