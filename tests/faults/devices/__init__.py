"""Tools that inject faults."""
