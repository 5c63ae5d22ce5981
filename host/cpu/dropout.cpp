#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/dropout_rows.hpp"

namespace ragtime::cpu {
namespace {

template <class T>
class DropoutCpu final : public DropoutOperation {
 public:
  explicit DropoutCpu(const DropoutDesc& desc) : desc_(desc) {}

  void run(const RaggedView& batch, const DropoutKey& key, const void* x, void* y, Stream) const override {
    dropout_rows(batch, key, desc_.probability, desc_.width, desc_.per_sequence, static_cast<const T*>(x),
                 static_cast<T*>(y));
  }

 private:
  DropoutDesc desc_;
};

}  // namespace

std::unique_ptr<DropoutOperation> make_dropout(const DropoutDesc& desc) {
  return with_dtype(desc.dtype, [&]<class T>() -> std::unique_ptr<DropoutOperation> {
    return std::make_unique<DropoutCpu<T>>(desc);
  });
}

}  // namespace ragtime::cpu
