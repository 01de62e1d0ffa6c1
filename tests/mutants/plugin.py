"""`pytest -p tests.mutants.plugin`: the tests of a product that has the fault named by the variable MUTANT."""

import os

import payment_service  # noqa: F401 - every module that knows a function by name is there before it is replaced
from tests.mutants.faults import MUTANTS

MUTANTS[os.environ["MUTANT"]].apply()
