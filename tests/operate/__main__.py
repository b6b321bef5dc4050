"""`python3 run.py operate`."""

from __future__ import annotations

import sys

from tests.operate.follow import main
from tests.operate.hosts import why_not

if why_not():
    sys.exit(f"operate: {why_not()}")
sys.exit(main())
