"""The laboratory: scenarios, recorded histories, and judges that take no claim on trust."""
