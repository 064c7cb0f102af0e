"""Funding, open interest, mark prices, indices and options, as ccxt and python-okx see them.

`client_ccxt.py` and `client_python_okx.py` call these; each takes what its client gave and judges
it against the other figures of the same moment.
"""

import math

from checks import need, rising

SWAP, INDEX, FAMILY = "BTC-USDT-SWAP", "BTC-USDT", "BTC-USD"
CHANNELS = (
    {"channel": "funding-rate", "instId": SWAP},
    {"channel": "open-interest", "instId": SWAP},
    {"channel": "mark-price", "instId": SWAP},
    {"channel": "price-limit", "instId": SWAP},
    {"channel": "index-tickers", "instId": INDEX},
    {"channel": "opt-summary", "instFamily": FAMILY},
)
FUNDING = set("fundingRate fundingTime instId instType maxFundingRate method minFundingRate nextFundingRate "
              "nextFundingTime premium settFundingRate settState ts formulaType interestRate impactValue".split())
SUMMARY = set("instType instId uly delta gamma vega theta lever markVol bidVol askVol realVol deltaBS gammaBS "
              "thetaBS vegaBS volLv fwdPx ts".split())


def rows(client, channel):
    """Every row of one channel that python-okx handed on."""
    return [row for f in client.frames if f["arg"]["channel"] == channel for row in f["data"]]


def check_swap(client):
    marks = [float(row["markPx"]) for row in rows(client, "mark-price")]
    index = [float(row["idxPx"]) for row in rows(client, "index-tickers")]
    need(len(marks) >= 10 and len(index) >= 10, f"{len(marks)} marks, {len(index)} of the index")
    need(abs(marks[-1] / index[-1] - 1) < 0.003, f"mark {marks[-1]} index {index[-1]}")
    limit = rows(client, "price-limit")[-1]
    need(limit["enabled"] is True, f"{limit}")
    need(float(limit["sellLmt"]) < marks[-1] < float(limit["buyLmt"]), f"{limit} around {marks[-1]}")
    interest = rows(client, "open-interest")
    need(interest, "no open interest")
    for row in interest:
        coins = float(row["oiCcy"])
        need(math.isclose(float(row["oi"]) * 0.01, coins, rel_tol=1e-9), f"{row}")
        need(abs(float(row["oiUsd"]) / coins / marks[-1] - 1) < 0.01, f"{row}")
    funding = rows(client, "funding-rate")[-1]
    need(FUNDING <= set(funding), f"missing {FUNDING - set(funding)}")
    need(funding["nextFundingRate"] == "", "a next funding rate")
    bound = float(funding["maxFundingRate"])
    need(abs(float(funding["fundingRate"])) <= bound, f"{funding}")
    return f"{len(marks)} marks, {len(interest)} of open interest"


def check_options(client):
    seen = rows(client, "opt-summary")
    need(len({row["instId"] for row in seen}) >= 6, f"{len(seen)} rows")
    for row in seen:
        need(set(row) == SUMMARY, f"keys {set(row) ^ SUMMARY}")
        delta, call = float(row["deltaBS"]), row["instId"].endswith("-C")
        need(0 <= delta <= 1 if call else -1 <= delta <= 0, f"{row}")
        need(float(row["vegaBS"]) >= 0 >= float(row["thetaBS"]), f"{row}")
        need(0.2 < float(row["markVol"]) < 3, f"{row}")
    by_strike = {}
    for row in seen:
        by_strike.setdefault((row["instId"][:-1], row["ts"]), {})[row["instId"][-1]] = row
    pairs = [pair for pair in by_strike.values() if len(pair) == 2]
    need(pairs, "no strike with a call and a put")
    for pair in pairs:
        parity = float(pair["C"]["deltaBS"]) - float(pair["P"]["deltaBS"])
        need(abs(parity - 1) < 1e-6, f"deltas of call and put are {parity} apart")
        need(pair["C"]["markVol"] == pair["P"]["markVol"], "two volatilities of one strike")
    rising([int(row["ts"]) for row in seen], "ts")
    return f"{len(seen)} rows, {len(pairs)} pairs of call and put"


async def ccxt_figures(exchange):
    """What ccxt's unified methods say of the perpetual and of an option."""
    symbol = "BTC/USDT:USDT"
    option = next(m["symbol"] for m in exchange.markets.values() if m["option"])
    return {
        "funding": await exchange.fetch_funding_rate(symbol),
        "history": await exchange.fetch_funding_rate_history(symbol, limit=50),
        "interest": await exchange.fetch_open_interest(symbol),
        "mark": await exchange.fetch_mark_price(symbol, {"instType": "SWAP"}),
        "index": await exchange.fetch_ohlcv(symbol, "1m", limit=50, params={"price": "index"}),
        "marks": await exchange.fetch_ohlcv(symbol, "1m", limit=50, params={"price": "mark"}),
        "greeks": await exchange.fetch_greeks(option),
        "status": await exchange.fetch_status(),
    }


def check_ccxt(figures):
    funding, mark = figures["funding"], figures["mark"]["markPrice"]
    need(abs(funding["fundingRate"]) < 0.00375, f"{funding}")
    need(funding["interval"] == "8h", f"interval {funding['interval']}")
    history = figures["history"]
    need(len(history) == 50, f"{len(history)} payments")
    for before, after in zip(history, history[1:]):
        need(after["timestamp"] - before["timestamp"] == 8 * 3_600_000, f"{before} {after}")
    need(figures["interest"]["openInterestAmount"] > 0, f"{figures['interest']}")
    for name in ("index", "marks"):
        bars = figures[name]
        need(len(bars) == 50, f"{len(bars)} bars of {name}")
        for before, after in zip(bars, bars[1:]):
            need(after[0] == before[0] + 60_000, f"a hole after {before[0]}")
        need(abs(bars[-1][4] / mark - 1) < 0.01, f"{name} {bars[-1]} mark {mark}")
    greeks = figures["greeks"]
    need(-1 <= greeks["delta"] <= 1 and greeks["markImpliedVolatility"] > 0, f"{greeks}")
    need(figures["status"]["status"] in ("ok", "maintenance"), f"{figures['status']}")
    return f"mark {mark}, funding {funding['fundingRate']}, delta {greeks['delta']}"
