"""What the API takes and sends."""
