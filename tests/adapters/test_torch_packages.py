"""Dropouts of packages that stand on PyTorch are known by their names, and held to their laws.

Timm and torchvision are not in the environments of .ci/run (their compiled parts fit other builds
of PyTorch than the one there); what stands in for them here has their names and parameters.
"""

import sys
from types import ModuleType

import pytest

import dropout_stats as ds

pytestmark = pytest.mark.framework("torch")
QUICK = {"dtypes": ["float32"], "rates": [0.3], "resolution": 0.1, "seed": 3}


@pytest.fixture
def packages(monkeypatch):
    """Modules timm.layers and torchvision.ops with a layer and a function each."""
    import torch

    def drop_path(x, drop_prob=0.0, training=False, scale_by_keep=True):
        if not training or drop_prob == 0:
            return x
        kept = torch.rand(len(x), *(1,) * (x.ndim - 1)) >= drop_prob
        return x * (kept / (1 - drop_prob or 1)).to(x.dtype)

    class DropPath(torch.nn.Module):
        def __init__(self, drop_prob=0.0):
            super().__init__()
            self.drop_prob = drop_prob

        def forward(self, x):
            return drop_path(x, self.drop_prob, self.training)

    class StochasticDepth(torch.nn.Module):
        def __init__(self, p, mode):
            super().__init__()
            if not 0 <= p <= 1:
                raise ValueError(p)
            self.p, self.mode = p, mode

        def forward(self, x):
            assert self.mode == "row"
            return drop_path(x, self.p, self.training)

    class PatchDropout(torch.nn.Module):
        def __init__(self, prob=0.5):
            super().__init__()

        def forward(self, x):
            return x

    found = {
        "timm.layers": (DropPath, drop_path, PatchDropout),
        "torchvision.ops": (StochasticDepth,),
    }
    for place, members in found.items():
        module = ModuleType(place)
        for member in members:
            member.__module__ = place
            setattr(module, member.__name__, member)
        monkeypatch.setitem(sys.modules, place.partition(".")[0], ModuleType(place.split(".")[0]))
        monkeypatch.setitem(sys.modules, place, module)


@pytest.mark.parametrize(
    "spec",
    ["timm.layers:DropPath", "timm.layers:drop_path", "torchvision.ops:StochasticDepth"],
)
def test_paths_are_dropped_sample_by_sample(packages, spec):
    report = ds.check(spec, **QUICK)
    assert (report.law, report.law_source) == ("inverted(unit='sample')", "target")
    assert report.verdict == "pass", str(report)
    assert report["inference.graph"].verdict == "pass"


def test_what_one_package_refuses_and_the_other_does_not_is_declared(packages):
    assert ds.adapt("torchvision.ops:StochasticDepth").conventions.invalid_rates == "raise"
    assert ds.adapt("timm.layers:DropPath").conventions.invalid_rates == "unspecified"


def test_what_else_they_have_is_refused(packages):
    with pytest.raises(ds.HarnessError, match="not one of timm's dropouts whose law is known"):
        ds.adapt("timm.layers:PatchDropout")


def test_blocks_are_declared_as_the_packages_draw_them():
    from dropout_stats.adapters.torch_packages import DECLARED

    over, own = DECLARED["timm"]["drop_block_2d"], DECLARED["torchvision"]["drop_block3d"]
    assert over.law == ds.laws.DropBlock(unit=(1,), block_size=3, seeds="anywhere")
    assert own.law == ds.laws.DropBlock(block_size=3)
    assert (over.ndims, own.ndims) == ((4, 4), (5, 5))
    assert over.given == own.given == {"block_size": 3}


TRANSFORMERS = {
    "transformers.models.swin.modeling_swin:SwinDropPath": "inverted(unit='sample')",
    "transformers.models.beit.modeling_beit:BeitDropPath": "inverted(unit='sample')",
    "transformers.models.sew_d.modeling_sew_d:StableDropout": "inverted",
    "transformers.models.esm.modeling_esmfold:EsmFoldDropout": "inverted(unit=(1,))",
}
GRAPHS = ("dropout_edge", "dropout_node", "mask_feature")


@pytest.mark.framework("transformers")
@pytest.mark.filterwarnings("default")  # its imports warn
@pytest.mark.parametrize(("spec", "law"), TRANSFORMERS.items(), ids=lambda v: v.split(":")[-1])
def test_dropouts_of_transformers_are_known(spec, law):
    report = ds.check(spec, **QUICK)
    assert (report.law, report.law_source) == (law, "target")
    assert report.verdict == "pass", str(report)


@pytest.mark.framework("torch_geometric")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", GRAPHS)
def test_dropouts_of_graphs_are_read_out(name):
    report = ds.check(f"torch_geometric.utils:{name}", **QUICK)
    assert (report.law, report.law_source) == ("masked", "target")
    assert report.verdict == "pass", str(report)
    assert report["moments.mean"].evidence.estimate == pytest.approx(0.7, abs=0.02)


def test_what_is_read_out_is_the_graph_that_is_returned():
    """A mask that is right says nothing of edges that are not."""
    import torch

    def dropout_edge(edge_index, p=0.5, training=True):
        if not training:
            return edge_index, torch.ones(edge_index.shape[1], dtype=torch.bool)
        kept = torch.rand(edge_index.shape[1]) >= p
        return edge_index[:, torch.rand(edge_index.shape[1]) >= p / 2], kept

    dropout_edge.__module__ = "torch_geometric.utils.dropout"
    report = ds.check(dropout_edge, **QUICK)
    assert report["rate.marginal"].verdict == "fail"
    assert report["inference.law"].verdict == "pass"
