"""python-okx (WsPublicAsync) against `market-data sim`.

    python client_python_okx.py 127.0.0.1:9443 [SECONDS]

python-okx hands frames on as they are, so this script reads them strictly after the
documentation: acks an argument, chained books, ids of trades, fields that must be there. Its
socket factory insists on TLS; here it connects without, which is the only change.
"""

import asyncio
import json
import sys

import websockets
from checks import Checks, coherent_bar, need, ordered_book, rising
from derivatives import CHANNELS, check_options, check_swap
from okx.PublicData import PublicAPI
from okx.websocket.WsPrivateAsync import WsPrivateAsync
from okx.websocket.WsPublicAsync import WsPublicAsync

INSTRUMENTS = ("BTC-USDT", "ETH-USDT-SWAP")
TICKER = set("instType instId last lastSz askPx askSz bidPx bidSz open24h high24h low24h volCcy24h "
             "vol24h sodUtc0 sodUtc8 ts".split())
TRADE = set("instId tradeId px sz side ts count source seqId".split())


class PlainFactory:
    """Connects without TLS."""

    def __init__(self, url):
        self.url, self.websocket = url, None

    async def connect(self):
        self.websocket = await websockets.connect(self.url)
        return self.websocket

    async def close(self):
        await self.websocket.close()


class Client:
    """One socket of python-okx and what came through it."""

    def __init__(self, url):
        self.url, self.okx = url, WsPublicAsync(url)
        self.okx.factory = PlainFactory(url)
        self.events, self.frames, self.pongs = [], [], 0

    def take(self, message):
        if message == "pong":
            self.pongs += 1
            return
        message = json.loads(message)
        (self.events if "event" in message else self.frames).append(message)

    async def subscribe(self, args, id):
        await self.okx.subscribe(args, self.take, id)

    def of(self, channel, inst_id):
        wanted = {"channel": channel, "instId": inst_id}
        return [f for f in self.frames if f["arg"] == wanted]

    def named(self, event):
        return [e for e in self.events if e["event"] == event]


def check_acks(client, args, id):
    acks = [e["arg"] for e in client.named("subscribe") if e.get("id") == id]
    need(sorted(map(str, acks)) == sorted(map(str, args)), f"acks {acks}")
    need(all(e.get("connId") for e in client.named("subscribe")), "an ack without connId")
    return f"{len(acks)} acks"


def check_tickers(client, inst_id):
    rows = [row for f in client.of("tickers", inst_id) for row in f["data"]]
    need(len(rows) >= 10, f"only {len(rows)}")
    for row in rows:
        need(TICKER <= set(row), f"missing {TICKER - set(row)}")
        need(all(isinstance(value, str) for value in row.values()), f"not text: {row}")
    rising([int(row["ts"]) for row in rows], "ts")
    return f"{len(rows)} rows"


def check_trades(client, inst_id):
    rows = [row for f in client.of("trades", inst_id) for row in f["data"]]
    need(len(rows) >= 10, f"only {len(rows)}")
    last = None
    for row in rows:
        need(TRADE <= set(row), f"missing {TRADE - set(row)}")
        need(isinstance(row["seqId"], int) and row["side"] in ("buy", "sell"), f"odd {row}")
        end, count = int(row["tradeId"]), int(row["count"])
        need(last is None or end - count == last, f"{end} of {count} fills after {last}")
        last = end
    rising([int(row["ts"]) for row in rows], "ts")
    return f"{len(rows)} rows whose ids chain"


def check_books(client, inst_id):
    frames = client.of("books", inst_id)
    need(len(frames) >= 10, f"only {len(frames)}")
    need(frames[0]["action"] == "snapshot", "no snapshot first")
    sides, last, updates = {"asks": {}, "bids": {}}, None, 0
    for frame in frames:
        for row in frame["data"]:
            if frame["action"] == "snapshot":
                need(row["prevSeqId"] == -1, f"a snapshot after {row['prevSeqId']}")
                sides = {"asks": {}, "bids": {}}
            else:
                need(row["prevSeqId"] == last, f"prevSeqId {row['prevSeqId']} after {last}")
                updates += 1
            last = row["seqId"]
            need(row.get("checksum", 0) == 0, "a checksum that is alive")
            for side, levels in sides.items():
                for price, size, third, orders in row[side]:
                    need(third == "0", f"third element {third}")
                    if size == "0":
                        levels.pop(float(price), None)
                    else:
                        need(int(orders) > 0, f"{orders} orders at {price}")
                        levels[float(price)] = float(size)
            bids = sorted(sides["bids"].items(), reverse=True)
            ordered_book(bids, sorted(sides["asks"].items()))
            need(len(bids) <= 400, f"{len(bids)} bids")
    return f"{updates} linked updates"


def check_bars(client, inst_id):
    rows = [row for f in client.of("candle1m", inst_id) for row in f["data"]]
    need(len(rows) >= 5, f"only {len(rows)}")
    for row in rows:
        need(len(row) == 9 and row[8] in ("0", "1"), f"odd {row}")
        coherent_bar([int(row[0]), *map(float, row[1:6])])
    rising([int(row[0]) for row in rows], "open times")
    return f"{len(rows)} rows"


def check_errors(client):
    errors = {e.get("id"): e["code"] for e in client.named("error")}
    need(errors.get("nosuch") == "60018", f"unknown instrument: {errors}")
    need(errors.get("wrongpath") in ("60018", "64001"), f"candles on /public: {errors}")
    need(all(isinstance(e["code"], str) for e in client.named("error")), "a code that is no text")
    return f"{errors}"


def check_left(client, inst_id, mark):
    acks = [e["arg"] for e in client.named("unsubscribe")]
    need({"channel": "tickers", "instId": inst_id} in acks, f"acks {acks}")
    late = [f for f in client.frames[mark:] if f["arg"] == {"channel": "tickers", "instId": inst_id}]
    need(not late, f"{len(late)} frames long after the end")


def check_login(client):
    logins = client.named("login")
    need([e["code"] for e in logins] == ["0"], f"{client.events}")
    frames = client.of("books50-l2-tbt", INSTRUMENTS[0])
    need(frames and frames[0]["action"] == "snapshot", f"{client.events}")
    return f"{len(frames)} frames of books50-l2-tbt"


def check_rest(address):
    api = PublicAPI(flag="0", domain=f"http://{address}")
    swaps = api.get_instruments(instType="SWAP")
    need(swaps["code"] == "0" and len(swaps["data"]) > 3, f"{str(swaps)[:200]}")
    families = api.get_underlying(instType="OPTION")
    need(families["code"] == "0" and families["data"][0], f"{str(families)[:200]}")
    wrong = api.get_instruments(instType="NOPE")
    need(wrong["code"] == "51000", f"{str(wrong)[:200]}")
    return f"{len(swaps['data'])} perpetuals"


async def main(address, seconds):
    checks = Checks("python-okx")
    public, business = (Client(f"ws://{address}/ws/v5/{path}") for path in ("public", "business"))
    derived, member = Client(f"ws://{address}/ws/v5/public"), Client(f"ws://{address}/ws/v5/public")
    # python-okx signs this one itself.
    member.okx = WsPrivateAsync("sim", "sim", "sim", member.url, False)
    member.okx.factory = PlainFactory(member.url)
    readers = []
    try:
        channels = ("tickers", "books", "trades")
        args = [{"channel": c, "instId": i} for i in INSTRUMENTS for c in channels]
        bars = [{"channel": "candle1m", "instId": i} for i in INSTRUMENTS]
        for client, wanted, id in ((public, args, "md1"), (business, bars, "md2")):
            await client.okx.connect()
            await client.subscribe(wanted, id)
            readers.append(asyncio.create_task(client.okx.consume()))
        await public.subscribe([{"channel": "tickers", "instId": "NO-SUCH"}], "nosuch")
        await public.subscribe([bars[0]], "wrongpath")
        # Three handshakes a second and address.
        await asyncio.sleep(1.1)
        await derived.okx.connect()
        await derived.subscribe(list(CHANNELS), "md4")
        readers.append(asyncio.create_task(derived.okx.consume()))
        await member.okx.connect()
        readers.append(asyncio.create_task(member.okx.consume()))
        tbt = [{"channel": "books50-l2-tbt", "instId": INSTRUMENTS[0]}]
        await member.okx.subscribe(tbt, member.take)
        await asyncio.sleep(seconds / 2)
        await public.okx.websocket.send("ping")
        await asyncio.sleep(seconds / 2)
        leaving = [{"channel": "tickers", "instId": INSTRUMENTS[0]}]
        await public.okx.unsubscribe(leaving, public.take, "md3")
        # Late frames are allowed for a moment.
        await asyncio.sleep(3)
        mark = len(public.frames)
        await asyncio.sleep(2)
        checks.check("acks on /public", lambda: check_acks(public, args, "md1"))
        checks.check("acks on /business", lambda: check_acks(business, bars, "md2"))
        for inst_id in INSTRUMENTS:
            checks.check(f"{inst_id} tickers", lambda: check_tickers(public, inst_id))
            checks.check(f"{inst_id} trades", lambda: check_trades(public, inst_id))
            checks.check(f"{inst_id} books", lambda: check_books(public, inst_id))
            checks.check(f"{inst_id} candle1m", lambda: check_bars(business, inst_id))
        checks.check("errors", lambda: check_errors(public))
        checks.check("ping is answered", lambda: need(public.pongs == 1, f"{public.pongs} pongs"))
        checks.check("unsubscribe", lambda: check_left(public, INSTRUMENTS[0], mark))
        checks.check("acks of the derived channels", lambda: check_acks(derived, CHANNELS, "md4"))
        checks.check("a perpetual's figures", lambda: check_swap(derived))
        checks.check("option summary", lambda: check_options(derived))
        checks.check("login", lambda: check_login(member))
        checks.check("REST", lambda: check_rest(address))
    except Exception as error:
        failure = error
        checks.check("the run", lambda: need(False, f"{type(failure).__name__}: {failure}"))
    finally:
        for reader in readers:
            reader.cancel()
        for client in (public, business):
            if client.okx.factory.websocket:
                await client.okx.stop()
    checks.finish()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 20.0))
