"""The built-in model as PyTorch weights, read back from its GGUF file."""

from pathlib import Path

import torch
from gguf import GGUFReader

from scripts.demo.model import Gemma4, Shape


def read_teacher(path: Path) -> Gemma4:
    """Return the model of a file that `scripts.demo.export` wrote, without gradients."""
    arrays = {tensor.name: torch.from_numpy(tensor.data.copy()).float() for tensor in GGUFReader(path).tensors}
    model = Gemma4(Shape(vocabulary=len(arrays["token_embd.weight"]))).requires_grad_(False)
    bare = {name for name in model.state_dict() if not name.endswith(".weight")}
    names = {name: f"{name}.weight" if name in bare else name for name in model.state_dict()}
    model.load_state_dict({name: arrays[stored] for name, stored in names.items()})
    return model.eval()
