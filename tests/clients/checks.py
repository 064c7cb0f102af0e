"""What the client scripts share: named checks, counted, one line each."""

import sys
import traceback


class Checks:
    """Runs checks and counts them. A check is a function that returns what to show, or raises."""

    def __init__(self, who):
        self.who, self.passed, self.failed = who, 0, 0

    def check(self, name, test):
        try:
            shown = test()
        except Exception as error:
            self.failed += 1
            words = str(error) or type(error).__name__
            print(f"FAILED {self.who}: {name}: {words}", flush=True)
            if not isinstance(error, AssertionError):
                traceback.print_exc()
            return
        self.passed += 1
        print(f"ok     {self.who}: {name}{f': {shown}' if shown else ''}", flush=True)

    def finish(self):
        print(f"count {self.passed} {self.failed}", flush=True)
        sys.exit(1 if self.failed else 0)


def need(condition, words):
    """An assertion that says what is wrong also under `python -O`."""
    if not condition:
        raise AssertionError(words)


def rising(values, what, strictly=False):
    """Values that go up, or at least never down."""
    for before, after in zip(values, values[1:]):
        need(after > before if strictly else after >= before, f"{what}: {after} after {before}")


def ordered_book(bids, asks):
    """Sorted, without repeats or empty levels, and not crossed. Levels start with price, size."""
    prices = [level[0] for level in bids]
    rising(prices[::-1], "bid prices from the bottom", strictly=True)
    rising([level[0] for level in asks], "ask prices", strictly=True)
    need(all(level[1] > 0 for level in [*bids, *asks]), "a level without quantity")
    need(bids and asks, "an empty side")
    need(bids[0][0] < asks[0][0], f"crossed: bid {bids[0][0]}, ask {asks[0][0]}")


def coherent_bar(bar):
    """Open time, open, high, low, close, volume of one minute."""
    at, opened, high, low, close, volume = bar[:6]
    need(at % 60_000 == 0, f"{at} is not the start of a minute")
    need(low <= min(opened, close) and max(opened, close) <= high, f"incoherent bar {bar}")
    need(volume >= 0, f"negative volume {bar}")
