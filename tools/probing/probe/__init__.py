"""A node pack for tests and benchmarks: small models, what is put on them, counts, comparisons."""

from .aids import NODES as AIDS
from .caches import NODES as CACHES
from .comparing import NODES as COMPARING
from .counting import NODES as COUNTING
from .models import NODES as MODELS
from .packed import NODES as PACKED
from .tricks import NODES as TRICKS

NODE_CLASS_MAPPINGS = {**AIDS, **CACHES, **COMPARING, **COUNTING, **MODELS, **PACKED, **TRICKS}
