"""Where a model's weights go, and in which form: settings that go together, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import torch

from interp.errors import ModelError
from interp.model.load._sources import QUANTIZATIONS, Source, resolve_device, resolve_dtype

DeviceMap = str | Mapping[str, str | int]


@dataclass(frozen=True)
class Placement:
    """Devices and number format of the weights. All are on `device` unless `n_devices` or `device_map` spreads them."""

    device: str
    dtype: str
    n_devices: int | None
    device_map: DeviceMap | None
    quantization: str | None

    @property
    def devices(self) -> list[str]:
        """The devices that hold weights."""
        if isinstance(self.device_map, Mapping):
            targets = [f"cuda:{to}" if isinstance(to, int) else to for to in self.device_map.values()]
            return list(dict.fromkeys(targets))
        if self.device_map is not None:
            return [f"cuda:{i}" for i in range(torch.cuda.device_count())] or ["cpu"]
        many = self.n_devices or 1
        return [f"cuda:{i}" for i in range(many)] if many > 1 else [self.device]


def place(
    device: str, dtype: str, n_devices: int | None, device_map: DeviceMap | None, quantization: str | None
) -> Placement:
    """Check and combine the settings. Raises ModelError if they can't be combined."""
    if quantization is not None and quantization not in QUANTIZATIONS:
        raise ModelError(f"quantization {quantization!r} is unknown", allowed=", ".join(QUANTIZATIONS))
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if n_devices is not None and (not isinstance(n_devices, int) or n_devices < 1):
        raise ModelError(f"n_devices {n_devices!r} is not allowed", allowed="whole numbers from 1")
    spread = device_map is not None or (n_devices or 1) > 1
    if device_map is not None and n_devices is not None:
        raise ModelError("n_devices and device_map both place the blocks", remedy="pass one of them")
    if (device_map is not None and device != "auto") or (spread and device.partition(":")[0] not in ("auto", "cuda")):
        several = "device_map" if device_map is not None else "n_devices"
        raise ModelError(
            f"device {device!r} is a single device, but {several} places the blocks",
            remedy="leave device out",
        )
    if n_devices is not None and n_devices > 1 and n_devices > gpus:
        raise ModelError(f"n_devices {n_devices} needs as many GPUs", allowed=f"{gpus} here", remedy="pass fewer")
    if isinstance(device_map, Mapping) and any(str(target) in ("disk", "meta") for target in device_map.values()):
        raise ModelError("device_map puts weights on disk", allowed="cpu and GPUs", remedy="use a smaller dtype")
    kind = "cpu" if _on_cpu(device_map) else "cuda" if spread else resolve_device(device)
    if quantization is not None:
        if find_spec("bitsandbytes") is None:
            raise ModelError(
                f"quantization {quantization} needs the package bitsandbytes",
                remedy="pip install 'translocal[quantize]'",
            )
        if kind.partition(":")[0] != "cuda" or not gpus:
            raise ModelError(f"quantization {quantization} needs an NVIDIA GPU", remedy="load without it")
    return Placement(kind, resolve_dtype(dtype, kind), n_devices, device_map, quantization)


def check_quantization(source: Source, quantization: str | None) -> None:
    """Raise ModelError for weights of a GGUF file that would be quantized once more."""
    if quantization is not None and source.gguf:
        raise ModelError(
            f"the weights of {source.name!r} are already quantised: quantization {quantization} would round them twice",
            allowed="GGUF files without quantization",
            remedy="leave it out, or pass the original checkpoint",
        )


def _on_cpu(device_map: DeviceMap | None) -> bool:
    if isinstance(device_map, Mapping):
        return all(str(target) == "cpu" for target in device_map.values())
    return device_map == "cpu"
