"""The laboratory: scenarios, recorded histories, and judges that trust nobody's word."""
