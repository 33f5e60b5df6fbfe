"""`python -m tui`: the console."""

import sys

from tui.front import main

sys.exit(main())
