"""A NAC's student modules in plain PyTorch, under the published names (reference/nac §3).

Codes are (1, K) for all or (tokens, K); states (B, U, C) or (U, C).
"""
import torch
from torch import nn

from nac_networks import InputTokenizer, OutputTokenizer, Propagator, ReadIn


class ReadInStudent(nn.Module):
    def __init__(self, sizes, outer):
        super().__init__()
        self.tokenizer = InputTokenizer(sizes)
        self.read_in = ReadIn(sizes)
        self.post_stitch = nn.Linear(sizes.width, outer)

    def forward(self, images, code, state):
        return self.post_stitch(self.read_in(self.tokenizer(images), state.expand(len(images), -1, -1), code))


class MediatorStudent(Propagator):
    def __init__(self, sizes, outer):
        super().__init__(sizes)
        self.pre_stitch = nn.Linear(outer, sizes.width)
        self.post_stitch = nn.Linear(sizes.width, outer)

    def forward(self, x, code):
        x = self.pre_stitch(x)
        return self.post_stitch(super().forward(x, x, code, code))


class ReadOutStudent(Propagator):
    def __init__(self, sizes, outer):
        super().__init__(sizes, sender_norm=True, residual=False)
        self.tokenizer = OutputTokenizer(sizes)
        self.pre_stitch = nn.Linear(outer, sizes.width)

    def forward(self, x, code, state, sender_code=None):
        sender_code = code if sender_code is None else sender_code
        return self.tokenizer(super().forward(state.expand(len(x), -1, -1), self.pre_stitch(x), code, sender_code))



class StudentStage(nn.Module):
    """A student module with its frozen random tensors, as the stage of a chain."""

    def __init__(self, module, arrays):
        super().__init__()
        self.module = module
        names = module.state_dict().keys()
        module.load_state_dict({name: torch.as_tensor(arrays[name]) for name in names}, strict=True)
        self.random = {name: torch.as_tensor(a).to(torch.get_default_dtype()) for name, a in arrays.items() if name not in names}

    def forward(self, x):
        r = self.random
        if isinstance(self.module, ReadInStudent):
            return self.module(x, r["codes"], r["states"])
        if isinstance(self.module, MediatorStudent):
            return self.module(x, r["codes"])
        return self.module(x, r["latent_codes"], r["states"], r["codes"])
