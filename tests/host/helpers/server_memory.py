"""Bytes of the tensors that the server holds, and the host's own Free Model."""

import uuid

from pack.tools.probing.graphs import node

from .prompts import post


def look(after=None):
    """A node that tells them, after another's STRING."""
    wire = {"after": after} if after else {}
    return node("ProbeMemory", name=uuid.uuid4().hex, **wire)


def free(host):
    """Ask for it; the server frees before or after what is queued next."""
    assert post(host, "/free", {"unload_models": True, "free_memory": True})[0] == 200


def settled(host, wanted=None):
    """The bytes held once they are `wanted`, or the same twice: one look may be before the free."""
    seen = [host.probe({"probe": look()})]
    while seen[-1] != wanted and seen[-2:-1] != seen[-1:]:
        seen.append(host.probe({"probe": look()}))
    return seen[-1]
