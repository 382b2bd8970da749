"""Tests a control in the sandbox, before a training relies on it."""
