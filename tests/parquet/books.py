"""Snapshots of books in an archive, against the books that their changes make.

Usage: books.py ARCHIVE. Levels 5, an interval of 1 s.
"""

import pathlib
import sys

import duckdb

archive = pathlib.Path(sys.argv[1])
rows = duckdb.sql(f"""
    select channel, inst_id, epoch_ns(ts_recv), feed, n, is_snapshot, side, price, quantity, false as view, level, seq
      from read_parquet('{archive}/venue=okx/channel=books/**/*.parquet')
    union all
    select channel, inst_id, epoch_ns(ts_recv), feed, n, null, side, price, quantity, true, level, seq
      from read_parquet('{archive}/venue=okx/table=snapshots/**/*.parquet')
    order by 1, 2, 3, 4, 5, 11
""").fetchall()
books, views, last = {}, {}, {}
for channel, inst, ts, feed, n, snapshot, side, price, quantity, view, level, seq in rows:
    key = (channel, inst)
    if view:
        views.setdefault((key, ts, feed, n), []).append((side, price, quantity))
        if (key, ts, feed, n) not in last:
            book = books[key]
            best = sorted(book["bid"].items(), reverse=True)[:5], sorted(book["ask"].items())[:5]
            last[key, ts, feed, n] = sorted(
                [("bid", *x) for x in best[0]] + [("ask", *x) for x in best[1]])
        continue
    book = books.setdefault(key, {"at": None, "bid": {}, "ask": {}})
    if snapshot and book["at"] != (feed, n):
        book["bid"], book["ask"] = {}, {}
    book["at"] = (feed, n)
    if side is None:
        continue
    if quantity == 0:
        book[side].pop(price, None)
    else:
        book[side][price] = quantity
for key, expected in last.items():
    got = sorted(row for row in views[key] if row[0] is not None)
    assert got == expected, f"{key}: {got} instead of {expected}"
assert len(last) > 5, f"only {len(last)} snapshots"
seconds = [(key, ts // 1_000_000_000) for key, ts, _, _ in last]
assert len(seconds) - len(set(seconds)) <= len({at for at, *_ in last}) * 8, "more than one a second"
print(f"parquet: {len(last)} snapshots of books, each the book that the changes make")
