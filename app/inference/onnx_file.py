"""Looks into the bytes of an ONNX file without loading it.

An ONNX file may keep tensors in other files, named by a path that it chooses itself. ONNX Runtime resolves
such paths when it loads the model, even one given as bytes (then against the working directory), and
understands names that stand for addresses in memory. A bundle is one file per graph, so all of that is
refused before the runtime sees the model. The runtime has no switch for it and the `onnx` package is not
installed for serving; the protobuf wire format is small enough to be walked here.
"""

from __future__ import annotations

from app.errors import BundleError

# https://protobuf.dev/programming-guides/encoding
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Fields of onnx.proto that lead to tensors: message -> {field number: message}.
_NESTED: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14


def refuse_external_data(model: bytes, *, name: str) -> None:
    """Make sure that the model is whole: no tensor of it lies in another file.

    Args:
        model: the bytes of an ONNX file.
        name: what the error calls it.

    Raises:
        BundleError: a tensor refers to data outside of the file, or the bytes are no ONNX model.
    """
    try:
        external = _has_external_data(memoryview(model))
    except (IndexError, ValueError) as error:
        raise BundleError(f"{name} is not an ONNX model") from error
    if external:
        raise BundleError(f"{name} keeps tensors in another file; export it with all data inside")


def _has_external_data(model: memoryview) -> bool:
    pending = [("Model", model)]
    while pending:
        kind, message = pending.pop()
        nested = _NESTED.get(kind, {})
        position = 0
        while position < len(message):
            field, value, position = _field(message, position)
            if kind == "Tensor":
                if field == _TENSOR_EXTERNAL_DATA or (field == _TENSOR_DATA_LOCATION and value != 0):
                    return True
            elif field in nested:
                if not isinstance(value, memoryview):
                    raise ValueError("a message was expected")
                pending.append((nested[field], value))
    return False


def _field(message: memoryview, position: int) -> tuple[int, int | memoryview, int]:
    """The field at `position`: its number, its value, and where the next one begins."""
    key, position = _varint(message, position)
    field, wire_type = key >> 3, key & 7
    if wire_type == _VARINT:
        value, position = _varint(message, position)
        return field, value, position
    if wire_type == _BYTES:
        size, position = _varint(message, position)
    elif wire_type in (_FIXED32, _FIXED64):
        size = 4 if wire_type == _FIXED32 else 8
    else:
        raise ValueError(f"wire type {wire_type}")
    end = position + size
    if end > len(message):
        raise ValueError("cut off")
    return field, message[position:end], end


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("varint too long")
