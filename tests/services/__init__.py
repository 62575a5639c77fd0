"""The servers that tests need: found where they usually are, or started for the test run."""
