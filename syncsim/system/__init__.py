"""What the operating system gives and takes: files, locks, forks, interrupts, processes.

The lowest room beside the contract: it knows no template and no store.
"""
