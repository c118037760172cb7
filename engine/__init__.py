"""The engine: everything Temper does, as plain Python that no page is needed for."""
