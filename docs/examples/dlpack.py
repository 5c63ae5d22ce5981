"""The C API from Python by ctypes: the parameters of a torch.nn.LSTM and NumPy arrays go in as DLPack, without a copy."""

import ctypes
import sys

import numpy
import torch

ragtime = ctypes.CDLL(sys.argv[1] if len(sys.argv) > 1 else "libragtime.so")
ragtime.ragtime_last_error.restype = ctypes.c_char_p


def call(name, *arguments):
    if getattr(ragtime, name)(*arguments) != 0:
        raise RuntimeError(ragtime.ragtime_last_error().decode())


# ---- DLPack: what Python calls a capsule holds a DLManagedTensor, which begins with the DLTensor that Ragtime takes.
capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.restype, capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
alive = []  # capsules, whose tensors Ragtime is going to read and write


def tensor(array):
    alive.append(array.__dlpack__())
    return capsule_pointer(alive[-1], b"dltensor")


class FromRagtime:
    """What numpy.from_dlpack and torch.from_dlpack take; they give the memory back when they are done with it."""

    def __init__(self, managed):
        self.managed = managed

    def __dlpack__(self, stream=None):
        return new_capsule(self.managed, b"dltensor", None)

    def __dlpack_device__(self):
        return 1, 0  # the CPU


# ---- The structs of ragtime.h that are used here. What is not set is zero, the default.
def struct(name, *fields):
    types = {"int32": ctypes.c_int32, "int64": ctypes.c_int64, "size": ctypes.c_size_t, "double": ctypes.c_double,
             "uint64": ctypes.c_uint64, "pointer": ctypes.c_void_p}
    return type(name, (ctypes.Structure,), {"_fields_": [
        (field, types[kind]) for kind, names in fields for field in names.split()]})


LstmDesc = struct("LstmDesc", ("size", "struct_size"), ("int32", "dtype algorithm"),
                  ("int64", "input_size hidden_size num_layers proj_size"), ("double", "dropout"),
                  ("int32", "bidirectional no_bias inference recompute_gates tf32 cluster slots"),
                  ("int64", "sequences rows codes steps"))
LstmWeights = struct("LstmWeights", ("pointer", "weight_ih weight_hh bias_ih bias_hh weight_hr"))
LstmForward = struct("LstmForward", ("size", "struct_size"),
                     ("pointer", "batch x weights h0 c0 y h_n c_n final_state c_seq"), ("uint64", "dropout_seed"),
                     ("pointer", "dropout_step workspace"), ("size", "workspace_bytes"), ("pointer", "reserve"),
                     ("size", "reserve_bytes"), ("pointer", "faults"))


def new(kind, **values):
    return kind(struct_size=ctypes.sizeof(kind), **values)


# ---- Five patients' visits one after the other, [N, E], and a module with two layers and directions.
lengths = numpy.array([2, 5, 1, 3, 1], dtype=numpy.int32)
torch.manual_seed(0)
module = torch.nn.LSTM(6, 8, num_layers=2, bidirectional=True)
x = numpy.random.default_rng(0).standard_normal((lengths.sum(), 6), dtype=numpy.float32)
y = numpy.empty((lengths.sum(), 16), dtype=numpy.float32)
final_state = torch.empty(len(lengths), 16)

backend, batch, lstm = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
call("ragtime_backend_open", b"cpu", None, ctypes.byref(backend))
call("ragtime_batch_create", backend, ctypes.byref(batch))
call("ragtime_batch_load_lengths", batch, lengths.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(len(lengths)), 0, None)

desc = new(LstmDesc, input_size=6, hidden_size=8, num_layers=2, bidirectional=1, inference=1,
           sequences=len(lengths), rows=int(lengths.sum()), steps=int(lengths.max()))
call("ragtime_lstm_create", backend, ctypes.byref(desc), ctypes.byref(lstm))
size = ctypes.c_size_t()
call("ragtime_lstm_workspace_bytes", lstm, ctypes.byref(size))
workspace = ctypes.create_string_buffer(size.value + 64)
aligned = ctypes.addressof(workspace) + -ctypes.addressof(workspace) % 64

weights = (LstmWeights * 4)()
for i, suffix in enumerate(["l0", "l0_reverse", "l1", "l1_reverse"]):
    for name in ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]:
        setattr(weights[i], name, tensor(getattr(module, f"{name}_{suffix}").detach()))
run = new(LstmForward, batch=batch, x=tensor(x), weights=ctypes.cast(weights, ctypes.c_void_p), y=tensor(y),
          final_state=tensor(final_state), workspace=aligned, workspace_bytes=size.value)
call("ragtime_lstm_forward", lstm, ctypes.byref(run), None)

# ---- The same by PyTorch in double, patient by patient.
module.double()
begin, differences = 0, []
for b, length in enumerate(lengths):
    with torch.no_grad():
        expected, (h_n, _) = module(torch.from_numpy(x[begin : begin + length]).double())
    differences.append(numpy.abs(y[begin : begin + length] - expected.numpy()).max())
    differences.append((final_state[b] - torch.cat([h_n[2], h_n[3]])).abs().max().item())
    begin += length
is_right = bool(numpy.max(differences) < 1e-6)
print("y and final states", "as" if is_right else "NOT as", "PyTorch's in double")

# ---- And out: an array of the library's as NumPy's.
exported = ctypes.c_void_p()
call("ragtime_batch_export", batch, 2, ctypes.byref(exported))  # RAGTIME_ORDER
print("longest first:", numpy.from_dlpack(FromRagtime(exported)).tolist())

# ---- What is wrong is said.
run.x = tensor(x.astype(numpy.float64))
try:
    call("ragtime_lstm_forward", lstm, ctypes.byref(run), None)
except RuntimeError as error:
    print(error)
call("ragtime_lstm_destroy", lstm)
call("ragtime_batch_destroy", batch)
call("ragtime_backend_close", backend)
sys.exit(0 if is_right else 1)
