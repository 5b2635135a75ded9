"""`python -m ranvier.cli` is `ranvier`."""

import sys

from ranvier.cli import main

sys.exit(main())
