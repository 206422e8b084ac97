"""Ways to write the same, ported: the same function with the same gradients, and layers that come back."""

from __future__ import annotations

import pytest
import torch

from bridge import port
from tests.port_checks import assert_comes_back, assert_same_function
from tests.port_styles import STYLES


@pytest.mark.parametrize("name", STYLES)
def test_styles(name: str) -> None:
    torch.manual_seed(1)
    style = STYLES[name]
    module = style.module()
    ported = port.from_torch(module, *style.inputs(3))
    for samples in (1, 4):
        assert_same_function(module, ported, style.inputs(samples))
    assert_comes_back(ported, style.inputs(2))
    trained = {parameter for parameter in module.parameters() if parameter.requires_grad}
    constants = {path for path, source in ported.sources.items() if source.tensor not in trained}
    assert constants == {path for path, _ in ported.module().named_buffers()}
