"""Neighbours as they are: they commit late, change secrets first, read one field, bind one key, decode strictly.

Each test runs the deployed processes: gunicorn, the worker and the simulated gateway. Only the caller or receiver is
the test's.
"""
