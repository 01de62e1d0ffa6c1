"""`pytest -p tests.mutants.plugin`: the tests of a product that has the fault named by the variable MUTANT."""

import os

from tests.mutants.faults import MUTANTS

MUTANTS[os.environ["MUTANT"]].install()
