"""The steps of a launcher's turn; ``turns.STEPS`` has their order."""
