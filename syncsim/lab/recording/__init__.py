"""A run is written down: calls are intercepted, commits credited to the calls that made them."""
