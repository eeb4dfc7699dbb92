"""`python -m pydl`"""

import sys

from .cli import main

sys.exit(main())
