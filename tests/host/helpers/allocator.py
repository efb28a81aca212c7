"""An allocator with little room, on any machine."""

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode


class Allocator(TorchDispatchMode):
    """Refuses what brings the tensors made under it above `limit` bytes, in the words of the CPU's.

    It gives way to whoever frees memory, and to no one else.
    """

    def __init__(self, limit):
        super().__init__()
        self.limit, self.held, self.bytes, self.refused = limit, {}, 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **kwargs or {})
        for one in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(one, torch.Tensor):
                self.hold(one.untyped_storage())
        if self.bytes > self.limit:
            self.held = {at: own for at, own in self.held.items() if not own[0].expired()}
            self.bytes = sum(size for _, size in self.held.values())
        if self.bytes > self.limit:
            self.refused += 1
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: Error code 12")
        return made

    def hold(self, storage):
        if storage._cdata not in self.held:
            self.held[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
            self.bytes += storage.nbytes()
