"""Kernels: one transition x_t -> x_s of a search. One file and one line here add another."""

from dataclasses import Field, fields

from .eta import Eta
from .euler_maruyama import EulerMaruyama
from .glass import Glass
from .settings import KernelSettings

KERNELS: dict[str, type[KernelSettings]] = {
    "euler_maruyama": EulerMaruyama,
    "eta": Eta,
    "glass": Glass,
}


def all_settings() -> dict[str, Field]:
    """The settings of all kernels by name. A name that kernels share means one setting."""
    return {setting.name: setting for cls in KERNELS.values() for setting in fields(cls)}
