"""What gunicorn and the `flask` command load: the service with the settings of this process's environment."""

import os
import sys
from importlib.util import find_spec

from payment_service import create_app
from payment_service.config import ConfigurationError, Settings
from payment_service.logs import log_what_nobody_caught

log_what_nobody_caught()

try:
    app = create_app(Settings.from_env(os.environ))
except ConfigurationError as error:
    sys.exit(str(error))

if find_spec("simulator"):  # a checkout has it, the image of the service does not
    from simulator.command import simulator

    app.cli.add_command(simulator)
