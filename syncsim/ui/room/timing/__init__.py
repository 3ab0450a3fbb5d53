"""When things happened: retries, queue, trace, latency, throughput, the job; charts and tables."""
