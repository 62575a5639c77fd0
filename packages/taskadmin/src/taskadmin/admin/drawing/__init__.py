"""Charts and sparklines as SVG."""
