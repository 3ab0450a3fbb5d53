"""What was written and what it met: conflicts, history, audit trail, restore and rollback.

`resolutions` works out what became of every change, the views show it as HTML, the panels hear the
clicks; `store_past` is the store behind them.
"""
