"""Changes of launchers and workers to the ledger, without their processes."""
