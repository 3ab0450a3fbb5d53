"""The four verbs and all that they decide: edits, commits and their retries, reads, the job.

It sees the parts of an environment as Protocols, and never the real store or cache.
"""
