"""ccxt pro and python-okx against `market-data run --serve-okx`: the venue behind one connection.

    python client_relay.py 127.0.0.1:9870 127.0.0.1:9443 [SECONDS]

The first address is the service's, the second the exchange's that it follows. Clients have only the
first; what they hold is compared with what the exchange itself says.
"""

import asyncio
import sys

import ccxt.pro
from checks import Checks, need
from client_ccxt import SYMBOLS, Watcher
from client_python_okx import Client

PAIR = "BTC-USDT"


async def ccxt_behind(relay, venue, seconds, checks):
    exchange = ccxt.pro.okx()
    exchange.urls["api"]["rest"] = f"http://{relay}"
    exchange.urls["api"]["ws"] = f"ws://{relay}/ws/v5"
    try:
        await exchange.load_markets()
        # From here on REST is the exchange's own: books are compared with it at the same id.
        exchange.urls["api"]["rest"] = f"http://{venue}"
        watchers = [Watcher(exchange, symbol, seconds) for symbol in SYMBOLS]
        await asyncio.gather(*(watcher.run() for watcher in watchers))
        for watcher in watchers:
            watcher.check(checks)
    finally:
        await exchange.close()


async def frames(address, seconds):
    """Every data frame of the trades and books of one pair, as text would be compared."""
    client = Client(f"ws://{address}/ws/v5/public")
    await client.okx.connect()
    args = [{"channel": channel, "instId": PAIR} for channel in ("trades", "books")]
    await client.subscribe(args, "relay1")
    try:
        async with asyncio.timeout(seconds):
            while True:
                client.take(await client.okx.factory.websocket.recv())
    except TimeoutError:
        pass
    await client.okx.factory.close()
    return client


def check_same(relayed, direct, channel, key):
    """From the first frame that both have, all are equal."""
    one = {key(frame["data"][0]): frame for frame in relayed.of(channel, PAIR)}
    two = {key(frame["data"][0]): frame for frame in direct.of(channel, PAIR)}
    both = sorted(set(one) & set(two))
    need(len(both) >= 10, f"only {len(both)} in common")
    inside = [k for k in two if both[0] < k < both[-1]]
    missing = [k for k in inside if k not in one]
    need(not missing, f"missing behind the relay: {missing[:5]}")
    # The first frame of a book is the snapshot of whoever joined.
    for k in both[1:]:
        need(one[k] == two[k], f"{k}: {str(one[k])[:200]} instead of {str(two[k])[:200]}")
    return f"{len(both)} frames, equal to the exchange's"


async def main(relay, venue, seconds):
    checks = Checks("relay")
    await ccxt_behind(relay, venue, seconds, checks)
    relayed, direct = await asyncio.gather(frames(relay, seconds), frames(venue, seconds))
    for channel, key in (("trades", lambda row: int(row["tradeId"])), ("books", lambda r: r["seqId"])):
        checks.check(f"python-okx {channel} {PAIR}",
                     lambda: check_same(relayed, direct, channel, key))
    checks.finish()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 10))
