#include <exception>
#include <set>

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/torch_file.hpp>

#include "raw_file.hpp"
#include "torch_container.hpp"

namespace m2mkd {
namespace {

const char* storage_name(const std::string& tensor, at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return "DoubleStorage";
    case at::kFloat:
      return "FloatStorage";
    case at::kHalf:
      return "HalfStorage";
    case at::kBFloat16:
      return "BFloat16Storage";
    case at::kLong:
      return "LongStorage";
    case at::kInt:
      return "IntStorage";
    case at::kByte:
      return "ByteStorage";
    case at::kBool:
      return "BoolStorage";
    default:
      fail("tensor '{}': element type {} is none that is written; convert it first", tensor,
           at::toString(type));
  }
}

/// Python's pickle of protocol 2 for what a dictionary of tensors needs.
class Pickle {
 public:
  Pickle() { bytes_ = "\x80\x02"; }

  // OrderedDict(), then its entries between a mark and SETITEMS; the entry `inside` of another
  // dictionary where it is given.
  void begin_dict(const std::string& inside) {
    if (!inside.empty()) {
      empty_dict();
      text(inside);
    }
    empty_dict();
    bytes_ += '(';
  }
  void end(const std::string& inside) { bytes_ += inside.empty() ? "u." : "us."; }
  void tensor(const std::string& key, const char* storage, const at::Tensor& tensor) {
    global("torch._utils", "_rebuild_tensor_v2");
    bytes_ += "((";
    text("storage");
    global("torch", storage);
    text(key);
    text("cpu");
    integer(tensor.numel());
    bytes_ += "tQ";
    integer(0);
    tuple(tensor.sizes());
    tuple(tensor.strides());
    bytes_ += '\x89';  // requires no gradient
    empty_dict();      // of hooks
    bytes_ += "tR";
  }
  void text(const std::string& value) {
    bytes_ += 'X';
    little(value.size(), 4);
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void little(std::uint64_t value, int count) {
    for (; count > 0; --count, value >>= 8) bytes_ += static_cast<char>(value & 0xff);
  }
  void integer(std::int64_t value) {
    bytes_ += "\x8a\x08";
    little(static_cast<std::uint64_t>(value), 8);
  }
  void tuple(at::IntArrayRef values) {
    bytes_ += '(';
    for (const auto value : values) integer(value);
    bytes_ += 't';
  }
  void global(const std::string& module, const std::string& name) {
    bytes_ += 'c' + module + '\n' + name + '\n';
  }
  void empty_dict() {
    global("collections", "OrderedDict");
    bytes_ += ")R";
  }

  std::string bytes_;
};

void write_records(caffe2::serialize::PyTorchStreamWriter&& archive, const std::string& pickle,
                   const NamedTensors& tensors, const std::string& note) {
  archive.writeRecord("data.pkl", pickle.data(), pickle.size());
  archive.writeRecord("byteorder", "little", 6);
  if (!note.empty()) archive.writeRecord(kNoteEntry, note.data(), note.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto data = tensors[i].second.detach().to(at::kCPU).contiguous();
    archive.writeRecord("data/" + std::to_string(i), data.const_data_ptr(), data.nbytes());
  }
  archive.writeEndOfFile();
}

void write_archive(OutFile& out, const NamedTensors& tensors, const std::string& inside,
                   const std::string& note) {
  Pickle pickle;
  std::set<std::string> names;
  pickle.begin_dict(inside);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    require(tensor.defined() && names.insert(name).second,
            "tensor '" + name + "' is defined and its name is used once");
    pickle.text(name);
    // As it will be written, and so contiguous.
    pickle.tensor(
        std::to_string(i), storage_name(name, tensor.scalar_type()),
        at::empty_like(tensor, at::TensorOptions(at::kMeta), at::MemoryFormat::Contiguous));
  }
  pickle.end(inside);

  // Its destructor writes, too, so a failure must wait until it is gone.
  std::exception_ptr failure;
  const auto write = [&](const void* data, std::size_t size) {
    try {
      if (!failure) out.write(data, size);
    } catch (const Error&) {
      failure = std::current_exception();
    }
    return size;
  };
  write_records(caffe2::serialize::PyTorchStreamWriter(write), pickle.bytes(), tensors, note);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

void write_torch_file(const std::filesystem::path& path, const NamedTensors& tensors,
                      const std::string& inside, const std::string& note) {
  OutFile out(path);
  try {
    write_archive(out, tensors, inside, note);
  } catch (const c10::Error& problem) {
    out.give_up(problem.what_without_backtrace());
  }
  out.finish();
}

}  // namespace m2mkd
