"""Jobs for the tests' workers."""
