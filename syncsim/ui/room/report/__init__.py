"""A run as one page that needs nothing but itself: no script to be read, no address, no server."""
