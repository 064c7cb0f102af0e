"""ccxt pro against `market-data sim`: a client that knows nothing of this project.

    python client_ccxt.py 127.0.0.1:9443 [SECONDS]

Only the addresses are changed. Everything else is what ccxt does against OKX: load the markets
over REST, subscribe, keep books by sequence id (ccxt raises InvalidNonce when a link is broken).
"""

import asyncio
import sys

import ccxt.pro
from checks import Checks, coherent_bar, need, ordered_book, rising
from derivatives import ccxt_figures, check_ccxt

SYMBOLS = ("BTC/USDT", "BTC/USDT:USDT")
PATIENCE = 15


async def watch(method, *args, seconds):
    """Everything that one watch method gives in so many seconds."""
    seen = []
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        answer = await asyncio.wait_for(method(*args), PATIENCE)
        seen.append(answer)
        yield answer


class Watcher:
    """Watches one symbol on every channel at once."""

    def __init__(self, exchange, symbol, seconds):
        self.exchange, self.symbol, self.seconds = exchange, symbol, seconds
        self.tickers, self.trades, self.books, self.bars = [], {}, {}, []
        self.touch, self.compared, self.differ = [], 0, []

    async def ticker(self):
        async for t in watch(self.exchange.watch_ticker, self.symbol, seconds=self.seconds):
            self.tickers.append(t)

    async def trade(self):
        async for trades in watch(self.exchange.watch_trades, self.symbol, seconds=self.seconds):
            self.trades.update({int(t["id"]): t for t in trades})

    async def book(self):
        async for b in watch(self.exchange.watch_order_book, self.symbol, seconds=self.seconds):
            bids = [level[:2] for level in b["bids"]]
            asks = [level[:2] for level in b["asks"]]
            self.books[b["nonce"]] = (b["timestamp"], bids, asks)

    async def bar(self):
        method = self.exchange.watch_ohlcv
        async for bars in watch(method, self.symbol, "1m", seconds=self.seconds):
            self.bars.append([list(bar) for bar in bars])

    async def compare(self):
        """REST answers with the id of its book: where ccxt held that id too, both must agree."""
        request = {"instId": self.exchange.market_id(self.symbol), "sz": "400"}
        for _ in range(int(self.seconds * 4)):
            answer = await self.exchange.publicGetMarketBooks(request)
            row = answer["data"][0]
            await asyncio.sleep(0.25)
            held = self.books.get(int(row["seqId"]))
            if held is None:
                continue
            self.compared += 1
            plain = lambda side: [[float(level[0]), float(level[1])] for level in side]
            if (held[1][:100], held[2][:100]) != (plain(row["bids"])[:100], plain(row["asks"])[:100]):
                self.differ.append(row["seqId"])

    async def run(self):
        tasks = (self.ticker(), self.trade(), self.book(), self.bar(), self.compare())
        await asyncio.gather(*tasks)

    def check(self, checks):
        name = lambda what: f"{self.symbol} {what}"
        checks.check(name("watchTicker"), self.check_tickers)
        checks.check(name("watchOrderBook"), self.check_books)
        checks.check(name("watchOrderBook equals REST at the same id"), self.check_compared)
        checks.check(name("watchTrades"), self.check_trades)
        checks.check(name("watchOHLCV"), self.check_bars)

    def check_tickers(self):
        need(len(self.tickers) >= self.seconds, f"only {len(self.tickers)}")
        rising([t["timestamp"] for t in self.tickers], "timestamps")
        for t in self.tickers:
            need(t["bid"] < t["ask"], f"bid {t['bid']} ask {t['ask']}")
            need(t["low"] <= t["last"] <= t["high"], f"last {t['last']} outside low and high")
        return f"{len(self.tickers)} tickers"

    def check_books(self):
        need(len(self.books) >= 2 * self.seconds, f"only {len(self.books)}")
        rising(list(self.books), "ids", strictly=True)
        rising([book[0] for book in self.books.values()], "timestamps")
        for _, bids, asks in self.books.values():
            ordered_book(bids, asks)
            need(len(bids) > 50 and len(asks) > 50, f"{len(bids)} bids, {len(asks)} asks")
        return f"{len(self.books)} books"

    def check_compared(self):
        need(self.compared > 0, "REST and ccxt never held the same id")
        need(not self.differ, f"different at {self.differ}")
        return f"{self.compared} comparisons of 100 levels"

    def check_trades(self):
        trades = [self.trades[key] for key in sorted(self.trades)]
        need(len(trades) >= self.seconds, f"only {len(trades)}")
        rising([t["timestamp"] for t in trades], "timestamps")
        need({t["side"] for t in trades} == {"buy", "sell"}, "only one side")
        worst = min(book[1][-1][0] for book in self.books.values())
        best = max(book[2][-1][0] for book in self.books.values())
        for t in trades:
            need(worst <= t["price"] <= best, f"{t['price']} outside {worst} to {best}")
            need(t["amount"] > 0, f"amount {t['amount']}")
        return f"{len(trades)} trades"

    def check_bars(self):
        need(len(self.bars) >= self.seconds / 4, f"only {len(self.bars)}")
        rising([bars[-1][0] for bars in self.bars], "open times")
        for bars in self.bars:
            for bar in bars:
                coherent_bar(bar)
        lows = {}
        for bars in self.bars:
            at, _, high, low, _, volume = bars[-1][:6]
            before = lows.get(at, (high, low, volume))
            if before[2] == 0:
                # A bar without trades shows the close before it, until its first trade.
                before = (high, low, 0)
            need(high >= before[0] and low <= before[1] and volume >= before[2], f"{at} shrinks")
            lows[at] = (high, low, volume)
        return f"{len(self.bars)} bars"


def check_markets(exchange):
    kinds = {kind: [m for m in exchange.markets.values() if m[kind]] for kind in
             ("spot", "swap", "future", "option")}
    for kind, markets in kinds.items():
        need(len(markets) >= 2, f"{len(markets)} of kind {kind}")
    for symbol in SYMBOLS:
        need(symbol in exchange.markets, f"{symbol} is missing")
        precision = exchange.markets[symbol]["precision"]
        need(precision["price"] and precision["amount"], f"{symbol} has no precision")
    swap = exchange.markets["BTC/USDT:USDT"]
    need(swap["linear"] and swap["contractSize"] == 0.01, "the perpetual's contract")
    need(any(m["inverse"] for m in kinds["swap"]), "no inverse perpetual")
    return ", ".join(f"{len(markets)} {kind}" for kind, markets in kinds.items())


def check_history(bars):
    need(len(bars) >= 90, f"only {len(bars)}")
    for before, after in zip(bars, bars[1:]):
        need(after[0] == before[0] + 60_000, f"a hole after {before[0]}")
    for bar in bars:
        coherent_bar(bar)
    return f"{len(bars)} bars"


async def main(address, seconds):
    checks = Checks("ccxt")
    exchange = ccxt.pro.okx()
    exchange.urls["api"]["rest"] = f"http://{address}"
    exchange.urls["api"]["ws"] = f"ws://{address}/ws/v5"
    try:
        await exchange.load_markets()
        checks.check("loadMarkets", lambda: check_markets(exchange))
        history = await exchange.fetch_ohlcv("BTC/USDT", "1m", limit=100)
        checks.check("fetchOHLCV", lambda: check_history(history))
        figures = await ccxt_figures(exchange)
        checks.check("funding, open interest, mark, index, greeks", lambda: check_ccxt(figures))
        watchers = [Watcher(exchange, symbol, seconds) for symbol in SYMBOLS]
        await asyncio.gather(*(watcher.run() for watcher in watchers))
        for watcher in watchers:
            watcher.check(checks)
        try:
            await exchange.watch("ws://" + address + "/ws/v5/public", "1", {
                "id": "1", "op": "subscribe", "args": [{"channel": "tickers", "instId": "NO-SUCH"}]})
            refused = None
        except ccxt.pro.ExchangeError as error:
            refused = error
        except asyncio.TimeoutError as error:
            refused = error
        checks.check("an unknown instrument is refused as OKX does",
                     lambda: need("60018" in str(refused), f"got {refused!r}"))
    except Exception as error:
        failure = error
        checks.check("the run", lambda: need(False, f"{type(failure).__name__}: {failure}"))
    finally:
        await exchange.close()
    checks.finish()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 20.0))
