"""A GPU's rules without a GPU: tensors that say they lie on `cuda` and have no memory."""

import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
import torch._dynamo  # before anything is patched below: it looks at what is
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "plan.py"))
CUDA, META = torch.device("cuda", 0), torch.device("meta")


class Device(TorchDispatchMode):
    """Counts how often the device is waited for, and answers 1; keeps what C++ makes on the fake device.

    C++ sees the memory that is not there and so asks for tensors like a given one on `meta`.
    """

    waits = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            self.waits += 1
            return 1.0
        kwargs = dict(kwargs or {})
        if kwargs.get("device") == META:
            kwargs["device"] = CUDA
        return func(*args, **kwargs)


@contextmanager
def fake_cuda() -> Iterator[tuple[FakeTensorMode, Device]]:
    """Inside, `device="cuda"` works as on a machine that has one, as far as devices and shapes go, and an operation
    that mixes devices fails as it would there.

    A torch that is built without CUDA would look for streams and devices as soon as C++ is told of them; so it is not:
    a fake tensor's device is known to Python only, which is where FakeTensorMode checks it. Autocast, which is C++,
    does nothing here.
    """
    make = torch.Tensor._make_subclass

    def unseen(cls, data, requires_grad=False, dispatch_device=False, **settings):
        return make(cls, data, requires_grad, **settings)

    device = Device()
    with patch.object(torch.Tensor, "_make_subclass", unseen), FakeTensorMode() as mode, device:
        yield mode, device
