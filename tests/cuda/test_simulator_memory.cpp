// Vector accesses, asynchronous copies, atomics and number formats.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "tests/cuda/test_simulator.h"

namespace gan::gpu {
namespace {

// ---- Packets

template <class T, int N>
__global__ void packet_kernel(const T* in, T* out, T* out_nc) {
  const int first = static_cast<int>(threadIdx.x) * N;
  Packet<T, N> packet = load_packet<T, N>(in + first);
  store_packet(out + first, packet);
  packet = load_packet_nc<T, N>(in + first);
  for (int i = 0; i < N; ++i) out_nc[first + i] = packet.v[N - 1 - i];
}

template <class T, int N>
void check_packets() {
  constexpr int threads = 32;
  std::vector<T> values(threads * N);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(3 * i + 1);
  const DeviceArray<T> in(values), out(threads * N), out_nc(threads * N);
  launch(packet_kernel<T, N>, 1, threads, 0, Stream{}, in.data(), out.data(), out_nc.data());
  CHECK(out.read() == values);
  for (size_t i = 0; i < values.size(); i += N)
    std::reverse(values.begin() + static_cast<std::ptrdiff_t>(i),
                 values.begin() + static_cast<std::ptrdiff_t>(i + N));
  CHECK(out_nc.read() == values);
}

__global__ void ldg_kernel(const bf16* halves, const float* floats, uint16_t* bits, float* out) {
  const int thread = static_cast<int>(threadIdx.x);
  bits[thread] = ldg(halves + thread).bits;
  out[thread] = ldg(floats + thread);
}

// ---- cp.async

constexpr int kCopyThreads = 32;

// Thread t copies `source_bytes[t]` of its Bytes bytes.
template <int Bytes>
__global__ void copy_kernel(const unsigned char* in, const int* source_bytes, unsigned char* out) {
  Smem sm;
  unsigned char* shared = sm.take<unsigned char>(kCopyThreads * Bytes);
  const int thread = static_cast<int>(threadIdx.x);
  cp_async<Bytes>(shared + thread * Bytes, in + thread * Bytes, source_bytes[thread]);
  cp_async_wait_all();
  syncthreads();
  for (int i = 0; i < Bytes; ++i) out[thread * Bytes + i] = shared[thread * Bytes + i];
}

template <int Bytes>
void check_copies() {
  std::vector<unsigned char> values(kCopyThreads * Bytes), expected(kCopyThreads * Bytes, 0);
  std::vector<int> source_bytes(kCopyThreads);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<unsigned char>(i + 1);
  for (size_t t = 0; t < source_bytes.size(); ++t) {
    source_bytes[t] = t < 8 ? Bytes : static_cast<int>(t) % (Bytes + 1);
    for (size_t i = 0; i < static_cast<size_t>(source_bytes[t]); ++i)
      expected[t * Bytes + i] = values[t * Bytes + i];
  }
  const DeviceArray<unsigned char> in(values), out(kCopyThreads * Bytes);
  const DeviceArray<int> sizes(source_bytes);
  launch(copy_kernel<Bytes>, 1, kCopyThreads, Smem::bytes<unsigned char>(kCopyThreads * Bytes),
         Stream{}, in.data(), sizes.data(), out.data());
  CHECK(out.read() == expected);
}

// Three groups of copies, one of them empty, consumed oldest first while the younger ones may still
// be under way.
__global__ void groups_kernel(const float* in, float* out) {
  Smem sm;
  float* shared = sm.take<float>(4 * kCopyThreads);
  const int thread = static_cast<int>(threadIdx.x);
  const auto copy = [&](int part) {
    cp_async<4>(shared + part * kCopyThreads + thread, in + part * kCopyThreads + thread);
  };
  const auto consume = [&](int part) {
    out[part * kCopyThreads + thread] = shared[part * kCopyThreads + thread];
  };
  copy(0);
  cp_async_commit();
  copy(1);
  copy(2);
  cp_async_commit();
  cp_async_commit();
  copy(3);
  cp_async_wait<2>();
  consume(0);
  cp_async_wait<1>();
  consume(1);
  consume(2);
  cp_async_commit();
  cp_async_wait<0>();
  consume(3);
}

// ---- Atomics

__global__ void add_kernel(int* sum, unsigned* tickets, unsigned* order, unsigned long long* wide) {
  const int thread = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomic_add(sum, thread % 2 == 0 ? thread : -3 * thread);
  order[thread] = atomic_add(tickets, 1);
  atomic_add(wide, 1ull << 33);
}

__global__ void max_kernel(const int* values, int* signed_max, unsigned* unsigned_max) {
  const int value = values[threadIdx.x];
  atomic_max(signed_max, value);
  atomic_max(unsigned_max, static_cast<unsigned>(value));
}

__global__ void exchange_kernel(unsigned* slot, unsigned* seen) {
  seen[threadIdx.x] = atomic_exch(slot, threadIdx.x + 1);
}

// A counter that is not atomic, under a lock that is.
__global__ void lock_kernel(unsigned* lock, int* counter) {
  bool done = false;
  while (!done) {
    if (atomic_cas(lock, 0, 1) == 0) {
      threadfence();
      *counter = *static_cast<volatile int*>(counter) + 1;
      threadfence();
      atomic_exch(lock, 0);
      done = true;
    }
  }
}

// ---- Numbers

__global__ void bf16_kernel(const float* in, uint16_t* single, uint32_t* packed, float* back) {
  const unsigned thread = threadIdx.x;
  single[thread] = to_bf16(in[thread]).bits;
  packed[thread] = pack_bf16(in[thread], -in[thread]);
  float low, high;
  unpack_bf16(packed[thread], low, high);
  back[2 * thread] = low;
  back[2 * thread + 1] = high;
}

__global__ void tf32_kernel(const float* in, uint32_t* out) {
  out[threadIdx.x] = to_tf32(in[threadIdx.x]);
}

__global__ void math_kernel(const float* in, float* out) {
  const float x = in[threadIdx.x];
  float* row = out + 6 * threadIdx.x;
  row[0] = fast_exp(-x);
  row[1] = fast_log(x);
  row[2] = fast_rsqrt(x);
  row[3] = fast_divide(1.5f, x);
  row[4] = log1pf(x);
  row[5] = expf(-x);
}

std::vector<float> awkward_floats() {
  std::vector<float> values = {0.0f,
                               -0.0f,
                               1.0f,
                               3.14159265f,
                               65504.0f,
                               1e-39f,
                               1e30f,
                               3.3895314e38f,
                               3.4028235e38f,
                               std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::quiet_NaN()};
  // Just below, at and above the middle of two neighbours, the lower one even and odd; for bf16 and
  // for tf32.
  for (const uint32_t bits :
       {0x3f807fffu, 0x3f808000u, 0x3f808001u, 0x3f817fffu, 0x3f818000u, 0x3f818001u, 0x3f800fffu,
        0x3f801000u, 0x3f801001u, 0x3f802fffu, 0x3f803000u, 0xbf803001u}) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    values.push_back(value);
  }
  return values;
}

TEST_CASE("Packets of every size load and store whole", "[cuda][conformance]") {
  check_packets<float, 4>();
  check_packets<float, 2>();
  check_packets<float, 1>();
  check_packets<uint16_t, 8>();
  check_packets<uint16_t, 4>();
  check_packets<uint8_t, 16>();
  check_packets<uint8_t, 2>();
  check_packets<double, 2>();
}

TEST_CASE("ldg reads what is there", "[cuda][conformance]") {
  const std::vector<bf16> halves = test_values<bf16>(32, 1);
  const std::vector<float> floats = test_values<float>(32, 2);
  const DeviceArray<bf16> device_halves(halves);
  const DeviceArray<float> device_floats(floats), out(32);
  const DeviceArray<uint16_t> bits(32);
  launch(ldg_kernel, 1, 32, 0, Stream{}, device_halves.data(), device_floats.data(), bits.data(),
         out.data());
  CHECK(out.read() == floats);
  for (size_t i = 0; i < 32; ++i) CHECK(bits.read()[i] == halves[i].bits);
}

TEST_CASE("cp.async copies 4, 8 and 16 bytes and fills with zeros", "[cuda][conformance]") {
  check_copies<4>();
  check_copies<8>();
  check_copies<16>();
}

TEST_CASE("cp.async groups complete in order, and waiting for all but N leaves N",
          "[cuda][conformance]") {
  const std::vector<float> values = test_values<float>(4 * kCopyThreads, 1);
  const DeviceArray<float> in(values), out(4 * kCopyThreads);
  launch(groups_kernel, 1, kCopyThreads, Smem::bytes<float>(4 * kCopyThreads), Stream{}, in.data(),
         out.data());
  CHECK(out.read() == values);
}

TEST_CASE("Atomic additions lose nothing and return the value before", "[cuda][conformance]") {
  constexpr int blocks = 3, threads = 96, all = blocks * threads;
  const DeviceArray<int> sum(std::vector<int>{7});
  const DeviceArray<unsigned> tickets(std::vector<unsigned>{0}), order(all);
  const DeviceArray<unsigned long long> wide(std::vector<unsigned long long>{5});
  launch(add_kernel, blocks, threads, 0, Stream{}, sum.data(), tickets.data(), order.data(),
         wide.data());
  int expected = 7;
  for (int i = 0; i < all; ++i) expected += i % 2 == 0 ? i : -3 * i;
  CHECK(sum.read()[0] == expected);
  CHECK(wide.read()[0] == 5 + (static_cast<unsigned long long>(all) << 33));
  std::vector<unsigned> seen = order.read(), everyone(all);
  std::sort(seen.begin(), seen.end());
  std::iota(everyone.begin(), everyone.end(), 0u);
  CHECK(seen == everyone);
}

TEST_CASE("Atomic maximum respects the sign of its type", "[cuda][conformance]") {
  const DeviceArray<int> values(std::vector<int>{4, -9, 12, -1}),
      signed_max(std::vector<int>{-100});
  const DeviceArray<unsigned> unsigned_max(std::vector<unsigned>{0});
  launch(max_kernel, 1, 4, 0, Stream{}, values.data(), signed_max.data(), unsigned_max.data());
  CHECK(signed_max.read()[0] == 12);
  CHECK(unsigned_max.read()[0] == 0xffffffffu);
}

TEST_CASE("Atomic exchange hands each value on once", "[cuda][conformance]") {
  const DeviceArray<unsigned> slot(std::vector<unsigned>{0}), seen(64);
  launch(exchange_kernel, 1, 64, 0, Stream{}, slot.data(), seen.data());
  std::vector<unsigned> all = seen.read(), everyone(65);
  all.push_back(slot.read()[0]);
  std::sort(all.begin(), all.end());
  std::iota(everyone.begin(), everyone.end(), 0u);
  CHECK(all == everyone);
}

TEST_CASE("A lock made of compare-and-swap protects a plain counter", "[cuda][conformance]") {
  const DeviceArray<unsigned> lock(std::vector<unsigned>{0});
  const DeviceArray<int> counter(std::vector<int>{0});
  launch(lock_kernel, 2, 64, 0, Stream{}, lock.data(), counter.data());
  CHECK(counter.read()[0] == 128);
}

TEST_CASE("bf16 conversion rounds to nearest, ties to even", "[cuda][conformance]") {
  const std::vector<float> values = awkward_floats();
  const int count = static_cast<int>(values.size());
  const DeviceArray<float> in(values), back(2 * count);
  const DeviceArray<uint16_t> single(count);
  const DeviceArray<uint32_t> packed(count);
  launch(bf16_kernel, 1, count, 0, Stream{}, in.data(), single.data(), packed.data(), back.data());
  for (size_t i = 0; i < values.size(); ++i) {
    INFO("value " << values[i]);
    const uint16_t low = host_bf16(values[i]).bits, high = host_bf16(-values[i]).bits;
    CHECK(single.read()[i] == low);
    CHECK(packed.read()[i] == (static_cast<uint32_t>(high) << 16 | low));
    if (std::isnan(values[i])) continue;
    CHECK(back.read()[2 * i] == host_float(bf16{low}));
    CHECK(back.read()[2 * i + 1] == host_float(bf16{high}));
  }
}

TEST_CASE("tf32 conversion rounds to nearest, ties away from zero", "[cuda][conformance]") {
  const std::vector<float> values = awkward_floats();
  const int count = static_cast<int>(values.size());
  const DeviceArray<float> in(values);
  const DeviceArray<uint32_t> out(count);
  launch(tf32_kernel, 1, count, 0, Stream{}, in.data(), out.data());
  for (size_t i = 0; i < values.size(); ++i) {
    const float expected = host_tf32(values[i]);
    float result;
    std::memcpy(&result, &out.read()[i], sizeof(result));
    INFO("value " << values[i] << " gives " << result);
    CHECK((std::isnan(expected) ? std::isnan(result) : result == expected));
  }
}

TEST_CASE("Fast math stays within its promised error", "[cuda][conformance]") {
  const std::vector<float> values = {0.01f, 0.3f, 0.9f, 1.7f, 5.0f, 20.0f};
  const DeviceArray<float> in(values), out(6 * 6);
  launch(math_kernel, 1, 6, 0, Stream{}, in.data(), out.data());
  const std::vector<float> result = out.read();
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = values[i];
    const double expected[6] = {std::exp(-x), std::log(x),   1 / std::sqrt(x),
                                1.5 / x,      std::log1p(x), std::exp(-x)};
    for (size_t j = 0; j < 6; ++j) {
      INFO("function " << j << " of " << x);
      CHECK(result[6 * i + j] == Approx(expected[j]).epsilon(4e-6).margin(1e-6));
    }
  }
}

}  // namespace
}  // namespace gan::gpu
