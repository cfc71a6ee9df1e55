"""Tests of g4run.hardware.typical."""
