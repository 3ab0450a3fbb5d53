"""The recorder: it intercepts calls and credits each commit to the call that made it."""
