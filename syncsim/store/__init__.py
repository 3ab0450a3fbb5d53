"""The versioned store: one contract, kept by `sqlite.SQLiteStore` and by `memory.MemoryStore`.

`writes` says once what a write does; `records` what a commit keeps. Nothing is imported here, so
that a store in memory costs no database library.
"""
