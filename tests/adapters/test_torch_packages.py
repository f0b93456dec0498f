"""Dropouts of packages that stand on PyTorch are known by their names, and held to their laws."""

import pytest

import dropout_stats as ds

QUICK = {"dtypes": ["float32"], "rates": [0.3], "resolution": 0.1, "seed": 3}
TIMM, TORCHVISION = pytest.mark.framework("timm"), pytest.mark.framework("torchvision")
PATHS = [
    pytest.param("timm.layers:DropPath", marks=TIMM),
    pytest.param("timm.layers:drop_path", marks=TIMM),
    pytest.param("torchvision.ops:StochasticDepth", marks=TORCHVISION),
    pytest.param("torchvision.ops:stochastic_depth", marks=TORCHVISION),
]
BLOCKS = [
    pytest.param("timm.layers:DropBlock2d", marks=TIMM),
    pytest.param("timm.layers:drop_block_2d", marks=TIMM),
    pytest.param("torchvision.ops:DropBlock2d", marks=TORCHVISION),
    pytest.param("torchvision.ops:DropBlock3d", marks=TORCHVISION),
    pytest.param("torchvision.ops:drop_block2d", marks=TORCHVISION),
    pytest.param("torchvision.ops:drop_block3d", marks=TORCHVISION),
]


@pytest.mark.parametrize("spec", PATHS)
def test_paths_are_dropped_sample_by_sample(spec):
    report = ds.check(spec, **QUICK)
    assert (report.law, report.law_source) == ("inverted(unit='sample')", "target")
    assert report.verdict == "pass", str(report)
    assert report["inference.graph"].verdict == "pass"


@pytest.mark.parametrize("spec", BLOCKS)
def test_blocks_are_dropped(spec):
    report = ds.check(spec, **QUICK)
    assert "drop-block" in report.law
    assert report.verdict == "pass", str(report)


@TIMM
@TORCHVISION
def test_what_one_package_refuses_and_the_other_does_not_is_declared():
    assert ds.adapt("torchvision.ops:StochasticDepth").conventions.invalid_rates == "raise"
    assert ds.adapt("timm.layers:DropPath").conventions.invalid_rates == "unspecified"


@TIMM
def test_what_else_they_have_is_refused():
    with pytest.raises(ds.HarnessError, match="not one of timm's dropouts whose law is known"):
        ds.adapt("timm.layers:PatchDropout")


@pytest.mark.framework("torch")
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


@pytest.mark.framework("torch")
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
