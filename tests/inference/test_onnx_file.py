import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.errors import BundleError
from app.inference.onnx_file import refuse_external_data


def _model(*, initializers=(), nodes=None) -> onnx.ModelProto:
    nodes = nodes or [helper.make_node("Identity", ["x"], ["y"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in ("x", "y")]
    return helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], list(initializers)))


def _external_tensor(location: str) -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def _if_node(tensor: onnx.TensorProto) -> onnx.NodeProto:
    """A constant two graphs deep, where a look at the outer initialisers misses it."""
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N"])
    constant = helper.make_node("Constant", [], ["z"], value=tensor)
    inner = helper.make_graph([constant], "inner", [], [out])
    plain = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "plain", [], [out])
    return helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=plain)


def test_a_model_with_all_data_inside_passes():
    weights = numpy_helper.from_array(np.ones((64, 64), np.float32), "w")
    model = _model(initializers=[weights], nodes=[_if_node(numpy_helper.from_array(np.ones(3), "c"))])
    assert refuse_external_data(model.SerializeToString(), name="model.onnx") is None  # no error


@pytest.mark.parametrize("location", ["weights.bin", "../secret", "/etc/passwd", "*/_ORT_MEM_ADDR_/*"])
def test_an_initialiser_in_another_file_is_refused(location):
    model = _model(initializers=[_external_tensor(location)])
    with pytest.raises(BundleError, match=r"model\.onnx keeps tensors in another file"):
        refuse_external_data(model.SerializeToString(), name="model.onnx")


def test_a_constant_of_an_inner_graph_in_another_file_is_refused():
    model = _model(nodes=[_if_node(_external_tensor("weights.bin"))])
    with pytest.raises(BundleError, match="another file"):
        refuse_external_data(model.SerializeToString(), name="model.onnx")


def test_a_sparse_tensor_in_another_file_is_refused():
    model = _model()
    sparse = model.graph.sparse_initializer.add()
    sparse.dims.append(8)
    sparse.values.CopyFrom(_external_tensor("values.bin"))
    with pytest.raises(BundleError, match="another file"):
        refuse_external_data(model.SerializeToString(), name="model.onnx")


def test_a_function_with_a_tensor_in_another_file_is_refused():
    model = _model()
    constant = helper.make_node("Constant", [], ["out"], value=_external_tensor("weights.bin"))
    model.functions.append(
        helper.make_function("local", "f", [], ["out"], [constant], [helper.make_opsetid("", 17)])
    )
    with pytest.raises(BundleError, match="another file"):
        refuse_external_data(model.SerializeToString(), name="model.onnx")


def test_external_data_without_a_location_flag_is_refused():
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.external_data.add(key="location", value="weights.bin")
    with pytest.raises(BundleError, match="another file"):
        refuse_external_data(_model(initializers=[tensor]).SerializeToString(), name="model.onnx")


@pytest.mark.parametrize("junk", [b"not a model", b"\xff" * 40, b"\x3a\xff\xff\x03ab", b"\x38\x01"])
def test_bytes_that_are_no_model_are_refused(junk):
    with pytest.raises(BundleError, match="not an ONNX model"):
        refuse_external_data(junk, name="model.onnx")
