"""Recognises quantised checkpoints, which no family loads.

fp8 without scales is not quantised in this sense: its numbers are widened as they are read.
"""

from collections.abc import Mapping

import torch

PLAIN_FP8 = ("float8_e4m3fn", "float8_e5m2")
# Ends of keys that only quantised checkpoints have, the most specific first.
SIGNS = {
    ".quant_state.bitsandbytes__nf4": "bitsandbytes, nf4",
    ".quant_state.bitsandbytes__fp4": "bitsandbytes, fp4",
    ".absmax": "bitsandbytes, 4 bits",
    ".quant_map": "bitsandbytes, 4 bits",
    ".SCB": "bitsandbytes, int8",
    ".g_idx": "GPTQ",
    ".qweight": "GPTQ or AWQ",
    ".comfy_quant": "of ComfyUI, with scales",
}
SCALES = ("scaled_fp8", "scale_weight", "weight_scale", "weight_scale_inv", "scale_input")
SCALES += ("input_scale", "weight_scale_2")
INTEGERS = ("int8", "uint8")


def quantised(
    config: Mapping[str, object], shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, str]
) -> str:
    """How a checkpoint is quantised, a noun phrase such as "GPTQ"; "" if it is not.

    Args:
        config: its config.json, {} without one.
        shapes: shapes of its tensors by key.
        dtypes: their dtypes, named as torch names them.
    """
    entry = config.get("quantization_config") or config.get("compression_config")
    if entry:
        method = entry.get("quant_method") if isinstance(entry, Mapping) else None
        return str(method or "quantization_config in config.json")[:40]
    for sign, name in SIGNS.items():
        if any(key.endswith(sign) for key in shapes):
            return name
    kinds = set(dtypes.values())
    eight = sorted(kind for kind in kinds if kind.startswith(("float8", "f8_")))
    scaled = any(key.rpartition(".")[2] in SCALES for key in shapes)
    if eight and (scaled or set(eight) - set(PLAIN_FP8)):
        return f"fp8 with scales, {eight[0]}"
    if small := sorted(kind for kind in kinds if kind.startswith(("f4", "f6", "float4"))):
        return small[0]
    packed = [k for k, kind in dtypes.items() if kind in INTEGERS and len(shapes.get(k, ())) > 1]
    return f"{dtypes[packed[0]]}{' with scales' if scaled else ''}" if packed else ""


def widened(value: torch.Tensor) -> torch.Tensor:
    """A tensor in fp8 as bfloat16, which holds its numbers exactly; any other tensor as it is."""
    kind = str(value.dtype).removeprefix("torch.")
    return value.to(torch.bfloat16) if kind in PLAIN_FP8 else value
