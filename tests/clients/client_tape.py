"""python-okx and ccxt pro against `market-data sim --tape`: yesterday, through their own code.

    python client_tape.py 127.0.0.1:9443 TAPE

TAPE is what is served; it is read here by the reader of tests/tape_reader, written from the
format's description. python-okx comes first and must get what was recorded, frame by frame; ccxt
comes in the middle and must hold, at every id it held, the book that the recording made then.
"""

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tape_reader"))

import ccxt.pro
from checks import Checks, need
from client_python_okx import Client
from okx.PublicData import PublicAPI
from read_tape import read
from websockets.exceptions import ConnectionClosed

INSTRUMENTS = ("BTC-USDT", "BTC-USDT-SWAP", "ETH-USDT")
CHANNELS = ("books", "trades", "tickers")
LIMIT = 60


def recorded(tape):
    """Data frames by channel and instrument, in order."""
    frames = {}
    for item in read(tape):
        need("damage" not in item, f"damaged: {item}")
        if item["kind"] == 18:
            text = bytes.fromhex(item["frame"]).decode()
            if text.startswith('{"arg"'):
                frame = json.loads(text)
                key = frame["arg"]["channel"], frame["arg"].get("instId")
                frames.setdefault(key, []).append(frame)
    return frames


def books_by_id(frames):
    """Every state that these frames make: id to both sides as dictionaries of floats."""
    states, sides = {}, None
    for frame in frames:
        for row in frame["data"]:
            if frame["action"] == "snapshot":
                sides = {"asks": {}, "bids": {}}
            for side, levels in sides.items():
                for price, size, *_ in row[side]:
                    if size == "0":
                        levels.pop(float(price), None)
                    else:
                        levels[float(price)] = float(size)
            states[row["seqId"]] = {side: dict(levels) for side, levels in sides.items()}
    return states


def check_frames(client, frames, channel, inst_id):
    got, expected = client.of(channel, inst_id), frames.get((channel, inst_id), [])
    need(expected, "nothing was recorded")
    for n, (one, other) in enumerate(zip(got, expected)):
        need(one == other, f"frame {n}: {str(one)[:200]} instead of {str(other)[:200]}")
    need(len(got) == len(expected), f"{len(got)} frames instead of {len(expected)}")
    return f"{len(got)} frames, equal to the recording"


def check_end(client, code):
    codes = [event.get("code") for event in client.named("notice")]
    need(codes == ["64008"], f"notices {codes}")
    need(code == 1001, f"closed with {code}")
    return "notice 64008, close 1001"


def check_held(held, states):
    need(len(held) >= 10, f"only {len(held)} books")
    for seq, (bids, asks) in held.items():
        need(seq in states, f"id {seq} was never recorded")
        need(dict(bids) == states[seq]["bids"], f"other bids at {seq}")
        need(dict(asks) == states[seq]["asks"], f"other asks at {seq}")
    return f"{len(held)} whole books, equal to the recording's"


def check_rest(address):
    api = PublicAPI(flag="0", domain=f"http://{address}")
    swaps = api.get_instruments(instType="SWAP")
    need([row["instId"] for row in swaps["data"]] == ["BTC-USDT-SWAP"], f"{str(swaps)[:200]}")
    other = api.get_instruments(instType="SPOT", instId="NO-SUCH")
    need(other["code"] == "51001", f"{str(other)[:200]}")
    away = api.get_mark_price(instType="SWAP", instId="BTC-USDT-SWAP")
    need(away["code"] == "50001", f"{str(away)[:200]}")
    return "instruments of the tape; 51001 and 50001 for the rest"


async def first(address):
    """python-okx, from the first frame to the close."""
    client = Client(f"ws://{address}/ws/v5/public")
    await client.okx.connect()
    args = [{"channel": c, "instId": i} for i in INSTRUMENTS for c in CHANNELS]
    await client.subscribe(args, "md1")
    try:
        while True:
            client.take(await client.okx.factory.websocket.recv())
    except ConnectionClosed as error:
        return client, error.rcvd.code if error.rcvd else None


async def later(address, held):
    """ccxt, in the middle of it, until the tape is over."""
    exchange = ccxt.pro.okx()
    exchange.urls["api"]["rest"] = f"http://{address}"
    exchange.urls["api"]["ws"] = f"ws://{address}/ws/v5"
    try:
        await exchange.load_markets()
        while True:
            book = await exchange.watch_order_book("BTC/USDT")
            sides = ([level[:2] for level in book[side]] for side in ("bids", "asks"))
            held[book["nonce"]] = tuple(sides)
    except (ccxt.NetworkError, ccxt.ExchangeClosedByUser) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        await exchange.close()


async def main(address, tape):
    checks = Checks("tape")
    frames, held = recorded(tape), {}
    try:
        task = asyncio.create_task(first(address))
        await asyncio.sleep(3)
        checks.check("REST", lambda: check_rest(address))
        end, (client, code) = await asyncio.wait_for(
            asyncio.gather(later(address, held), task), LIMIT)
        print(f"       ccxt ended with {end}")
        for inst_id in INSTRUMENTS:
            for channel in CHANNELS:
                checks.check(f"python-okx {channel} {inst_id}",
                             lambda: check_frames(client, frames, channel, inst_id))
        checks.check("python-okx sees the end", lambda: check_end(client, code))
        states = books_by_id(frames[("books", "BTC-USDT")])
        checks.check("ccxt books BTC-USDT", lambda: check_held(held, states))
    except Exception as error:
        failure = error
        checks.check("the run", lambda: need(False, f"{type(failure).__name__}: {failure}"))
    checks.finish()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
