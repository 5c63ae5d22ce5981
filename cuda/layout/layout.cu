#include "cuda/layout/layout.cuh"

#include <cstring>

#include "cuda/operations.hpp"
#include "cuda/support/element.hpp"
#include "cuda/support/enqueue.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

class LayoutCuda final : public LayoutOperation {
 public:
  explicit LayoutCuda(const LayoutDesc& desc) : desc_(desc) {}

  void run(const RaggedView& batch, Layout from, const void* source, Layout to, void* target,
           double padding_value, Stream stream) const override {
    LayoutArgs args{batch,
                    from,
                    to,
                    source,
                    target,
                    desc_.width * static_cast<std::int64_t>(size_of(desc_.dtype)),
                    desc_.padded_steps,
                    desc_.capacity,
                    {}};
    with_element(desc_.dtype, [&]<class T>() {
      const T value = arch::from_float<T>(static_cast<float>(padding_value));
      for (std::size_t byte = 0; byte < sizeof(args.padding); byte += sizeof(T))
        std::memcpy(reinterpret_cast<std::byte*>(&args.padding) + byte, &value, sizeof(T));
    });
    const arch::LaunchResult result = convert_layout_of(args, stream);
    check(result.ok(), ErrorCode::device_error, "launching convert_layout failed: ", result.text);
  }

 private:
  LayoutDesc desc_;
};

}  // namespace

std::unique_ptr<LayoutOperation> make_layout(const LayoutDesc& desc) {
  return std::make_unique<LayoutCuda>(desc);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
