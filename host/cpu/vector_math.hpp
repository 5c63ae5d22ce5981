// Elementary functions the compiler can vectorise: no branches, no calls, no tables. Included by
// kernels_impl.hpp inside each instruction set's translation unit, hence everything has internal linkage.
//
// float: relative error of exp about 1e-7 (Cody-Waite reduction, degree-6 Taylor polynomial on |r| <= ln 2 /
// 2). double: libm. NaN stays NaN.

namespace ragtime::cpu::vmath {
namespace {

inline float exp_(float x) {
  // Beyond these the result is 0 (or below the smallest normal number) and infinity; 88.37 keeps 2^n
  // representable.
  const float bounded = x > 88.37f ? 88.37f : (x < -87.3f ? -87.3f : x);
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
  const float shifted = bounded * 1.44269504088896341f + magic;
  const float n = shifted - magic;
  const float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const uint32_t exponent = (__builtin_bit_cast(uint32_t, shifted) + 127u) << 23;
  const float value = p * __builtin_bit_cast(float, exponent);
  return x > 88.72f ? __builtin_inff() : (x < -103.97f ? 0.0f : value);
}

inline double exp_(double x) {
  return __builtin_exp(x);
}

inline float sigmoid_(float x) {
  return 1.0f / (1.0f + exp_(-x));
}
inline double sigmoid_(double x) {
  return 1.0 / (1.0 + __builtin_exp(-x));
}

// Near 0 the odd Taylor polynomial keeps the relative error, elsewhere (e^2x - 1) / (e^2x + 1) with the sign
// put back.
inline float tanh_(float x) {
  const float magnitude = x < 0.0f ? -x : x;
  const float e = exp_(-2.0f * magnitude);
  const float far = (1.0f - e) / (1.0f + e);
  const float signed_far = x < 0.0f ? -far : far;
  const float s = x * x;
  float p = -5.70498872745e-3f;
  p = p * s + 2.06390887954e-2f;
  p = p * s - 5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  p = p * s - 3.33332819422e-1f;
  const float near = x + x * s * p;
  return magnitude < 0.625f ? near : signed_far;
}
inline double tanh_(double x) {
  return __builtin_tanh(x);
}

// log(1 + e) for e in [0, 1]: 2 atanh(e / (2 + e)), |t| <= 1/3, odd series to t^15.
inline float log1p_(float e) {
  const float t = e / (2.0f + e);
  const float s = t * t;
  float p = 2.0f / 15;
  p = p * s + 2.0f / 13;
  p = p * s + 2.0f / 11;
  p = p * s + 2.0f / 9;
  p = p * s + 2.0f / 7;
  p = p * s + 2.0f / 5;
  p = p * s + 2.0f / 3;
  p = p * s + 2.0f;
  return t * p;
}
inline double log1p_(double e) {
  return __builtin_log1p(e);
}

inline float sqrt_(float x) {
  return __builtin_sqrtf(x);
}
inline double sqrt_(double x) {
  return __builtin_sqrt(x);
}

}  // namespace
}  // namespace ragtime::cpu::vmath
