"""What gunicorn and the `flask` command load: the service with the settings of this process's environment."""

import os
import sys

from payment_service import create_app
from payment_service.config import ConfigurationError, Settings
from payment_service.logs import log_what_nobody_caught

log_what_nobody_caught()

try:
    app = create_app(Settings.from_env(os.environ))
except ConfigurationError as error:
    sys.exit(str(error))
