// aios_attention and its gradient against binary64.
#include <string>

#include "kernel_test.h"

namespace {

using namespace kernel_test;

struct Case {
  int64_t batch, heads, kv_heads, q_len, kv_len, head_dim;
  bool causal = false;
  bool packed = false; ///< q, k and v interleaved as [batch][position][q heads | k heads | v heads][dim]
  float scale = 0.3f;

  std::string name() const {
    return "batch=" + std::to_string(batch) + " heads=" + std::to_string(heads) + "/" + std::to_string(kv_heads) +
           " lengths=" + std::to_string(q_len) + "/" + std::to_string(kv_len) + " dim=" + std::to_string(head_dim) +
           (causal ? " causal" : "") + (packed ? " packed" : "");
  }
};

/// A view of [batch][head][position][dim] in some buffer.
template <class T> struct View {
  T *data;
  int64_t stride[3];
  T &at(int64_t b, int64_t h, int64_t t, int64_t d) const {
    return data[b * stride[0] + h * stride[1] + t * stride[2] + d];
  }
};

template <class T> class Attention {
public:
  explicit Attention(const Case &test)
      : t(test), inputs(packed_size()), gradients(packed_size()), out(out_size()), dout(out_size()),
        lse(t.batch * t.heads * t.q_len) {
    Random random(static_cast<uint64_t>(t.q_len * 131 + t.kv_len * 7 + t.head_dim));
    inputs = random.values<T>(packed_size());
    dout = random.values<T>(out_size());
    desc.batch = t.batch;
    desc.heads = t.heads;
    desc.kv_heads = t.kv_heads;
    desc.q_len = t.q_len;
    desc.kv_len = t.kv_len;
    desc.head_dim = t.head_dim;
    desc.scale = t.scale;
    desc.causal = t.causal;
    desc.dtype = Type<T>::dtype;
    const View<T> q = query(inputs), k = key(inputs), v = value(inputs), o = output(out);
    for (int i = 0; i < 3; ++i) {
      desc.q_stride[i] = q.stride[i];
      desc.k_stride[i] = k.stride[i];
      desc.v_stride[i] = v.stride[i];
      desc.out_stride[i] = o.stride[i];
    }
  }

  void forward(const Stream &stream, bool with_lse = true) {
    const Workspace workspace(aios_attention_workspace_size(&desc));
    ASSERT_EQ(aios_attention(stream, out.data(), with_lse ? lse.data() : nullptr, query(inputs).data, key(inputs).data,
                             value(inputs).data, workspace.data(), workspace.bytes(), &desc),
              AIOS_STATUS_OK)
        << aios_last_error();
    ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  }

  void backward(const Stream &stream) {
    const Workspace workspace(aios_attention_backward_workspace_size(&desc));
    ASSERT_EQ(aios_attention_backward(stream, query(gradients).data, key(gradients).data, value(gradients).data,
                                      dout.data(), out.data(), lse.data(), query(inputs).data, key(inputs).data,
                                      value(inputs).data, workspace.data(), workspace.bytes(), &desc),
              AIOS_STATUS_OK)
        << aios_last_error();
    ASSERT_EQ(stream.synchronize(), AIOS_STATUS_OK);
  }

  void expect_right() {
    const View<T> q = query(inputs), k = key(inputs), v = value(inputs), o = output(out), g = output(dout);
    const View<T> dq = query(gradients), dk = key(gradients), dv = value(gradients);
    const auto kv_size = static_cast<size_t>(t.kv_len * t.head_dim);
    const int64_t group = t.heads / t.kv_heads;
    const double eps = 64 * Type<T>::rounding + 1e-5;
    for (int64_t b = 0; b < t.batch; ++b)
      for (int64_t kv = 0; kv < t.kv_heads; ++kv) {
        std::vector<double> sum_dk(kv_size, 0), sum_dv(kv_size, 0);
        for (int64_t h = kv * group; h < (kv + 1) * group; ++h)
          for (int64_t i = 0; i < t.q_len; ++i) {
            const int64_t visible = t.causal ? i + 1 + t.kv_len - t.q_len : t.kv_len;
            std::vector<double> p(static_cast<size_t>(visible)), dp(p.size());
            double greatest = -INFINITY, total = 0, delta = 0;
            for (int64_t j = 0; j < visible; ++j) {
              double score = 0, product = 0;
              for (int64_t d = 0; d < t.head_dim; ++d) {
                score += double(q.at(b, h, i, d)) * double(k.at(b, kv, j, d));
                product += double(g.at(b, h, i, d)) * double(v.at(b, kv, j, d));
              }
              p[static_cast<size_t>(j)] = score * static_cast<double>(t.scale);
              dp[static_cast<size_t>(j)] = product;
              greatest = std::max(greatest, score * static_cast<double>(t.scale));
            }
            for (double &x : p)
              total += x = std::exp(x - greatest);
            for (size_t j = 0; j < p.size(); ++j)
              delta += (p[j] /= total) * dp[j];
            if (visible > 0) {
              ASSERT_NEAR(double(lse[(b * t.heads + h) * t.q_len + i]), greatest + std::log(total),
                          1e-5 + 1e-6 * std::abs(greatest))
                  << t.name();
            }
            for (int64_t d = 0; d < t.head_dim; ++d) {
              double expected_out = 0, expected_dq = 0;
              for (int64_t j = 0; j < visible; ++j) {
                const auto at = static_cast<size_t>(j);
                const double ds = p[at] * (dp[at] - delta) * static_cast<double>(t.scale);
                expected_out += p[at] * double(v.at(b, kv, j, d));
                expected_dq += ds * double(k.at(b, kv, j, d));
                sum_dk[at * static_cast<size_t>(t.head_dim) + static_cast<size_t>(d)] += ds * double(q.at(b, h, i, d));
                sum_dv[at * static_cast<size_t>(t.head_dim) + static_cast<size_t>(d)] +=
                    p[at] * double(g.at(b, h, i, d));
              }
              ASSERT_NEAR(double(o.at(b, h, i, d)), expected_out, eps) << t.name() << ": out " << i << ", " << d;
              ASSERT_NEAR(double(dq.at(b, h, i, d)), expected_dq,
                          eps * std::sqrt(t.head_dim) * (1 + std::abs(expected_dq)))
                  << t.name() << ": dq " << i << ", " << d;
            }
          }
        for (int64_t j = 0; j < t.kv_len; ++j)
          for (int64_t d = 0; d < t.head_dim; ++d) {
            const auto at = static_cast<size_t>(j * t.head_dim + d);
            const double scaled = eps * std::sqrt(t.head_dim) * (1 + std::abs(sum_dv[at]) + std::abs(sum_dk[at]));
            ASSERT_NEAR(double(dk.at(b, kv, j, d)), sum_dk[at], scaled) << t.name() << ": dk " << j << ", " << d;
            ASSERT_NEAR(double(dv.at(b, kv, j, d)), sum_dv[at], scaled) << t.name() << ": dv " << j << ", " << d;
          }
      }
  }

  const Case t;
  aios_attention_desc desc{};
  Buffer<T> inputs, gradients, out, dout;
  Buffer<float> lse;

private:
  int64_t row() const { return (t.heads + 2 * t.kv_heads) * t.head_dim; }
  int64_t q_size() const { return t.batch * t.heads * t.q_len * t.head_dim; }
  int64_t kv_size() const { return t.batch * t.kv_heads * t.kv_len * t.head_dim; }
  int64_t packed_size() const { return q_size() + 2 * kv_size(); }
  int64_t out_size() const { return q_size(); }

  View<T> in(Buffer<T> &buffer, int64_t head_offset, int64_t plain_offset, int64_t heads, int64_t length) const {
    if (t.packed)
      return {buffer.data() + head_offset * t.head_dim, {length * row(), t.head_dim, row()}};
    return {buffer.data() + plain_offset, {heads * length * t.head_dim, length * t.head_dim, t.head_dim}};
  }
  View<T> query(Buffer<T> &buffer) const { return in(buffer, 0, 0, t.heads, t.q_len); }
  View<T> key(Buffer<T> &buffer) const { return in(buffer, t.heads, q_size(), t.kv_heads, t.kv_len); }
  View<T> value(Buffer<T> &buffer) const {
    return in(buffer, t.heads + t.kv_heads, q_size() + kv_size(), t.kv_heads, t.kv_len);
  }
  /// [batch][position][head][dim], as a projection wants it.
  View<T> output(Buffer<T> &buffer) const {
    return {buffer.data(), {t.q_len * t.heads * t.head_dim, t.head_dim, t.heads * t.head_dim}};
  }
};

template <class T> void check(const Stream &stream, const Case &test) {
  Attention<T> attention(test);
  attention.forward(stream);
  attention.backward(stream);
  if (!testing::Test::HasFatalFailure())
    attention.expect_right();
}

TEST(Attention, IsRightForLengthsAroundABlock) {
  Stream stream;
  for (int64_t length : {1, 2, 3, 5, 15, 16, 17, 31, 33, 63, 64, 65, 100, 130})
    for (bool causal : {false, true}) {
      check<float>(stream, {1, 2, 2, length, length, 16, causal});
      check<float>(stream, {2, 1, 1, length, length + 37, 24, causal});
    }
}

TEST(Attention, IsRightForEveryKindOfHeadDimension) {
  Stream stream;
  for (int64_t dim : {1, 2, 3, 4, 7, 8, 15, 16, 17, 32, 33, 64, 80, 100, 128, 200, 255, 256})
    check<float>(stream, {1, 1, 1, 20, 70, dim, true, false, 0.1f});
}

TEST(Attention, SharesKeysAndValuesAmongGroupsOfHeads) {
  Stream stream;
  check<float>(stream, {2, 6, 3, 40, 90, 32, true});
  check<float>(stream, {1, 8, 1, 70, 70, 16, false});
}

TEST(Attention, ReadsAndWritesPackedProjections) {
  Stream stream;
  check<float>(stream, {3, 4, 4, 70, 70, 16, true, true});
  check<Bf16>(stream, {2, 2, 2, 65, 65, 32, true, true});
}

TEST(Attention, Bfloat16) {
  Stream stream;
  check<Bf16>(stream, {1, 2, 1, 33, 50, 20, true});
  check<Bf16>(stream, {1, 2, 2, 80, 80, 64, false});
}

TEST(Attention, DecodesOneQueryAgainstManyKeys) {
  Stream stream;
  for (int64_t keys : {1, 64, 500})
    check<float>(stream, {2, 4, 2, 1, keys, 64, true});
}

TEST(Attention, LongSequencesUseTheWorkspaceOfTheGradient) {
  Stream stream;
  const Case test{1, 1, 1, 70, 3000, 128, true, false, 0.05f};
  Attention<float> attention(test);
  EXPECT_GT(aios_attention_backward_workspace_size(&attention.desc), 0);
  check<float>(stream, test);
}

TEST(Attention, EqualScoresAverageTheValuesExactly) {
  Stream stream;
  Attention<float> attention({1, 1, 1, 8, 8, 4, true});
  for (int64_t i = 0; i < 8 * 4; ++i) {
    attention.inputs[i] = 0.0f;
    attention.inputs[2 * 8 * 4 + i] = static_cast<float>((i / 4) * 840); // value j is 840 j
  }
  attention.forward(stream, false);
  for (int64_t i = 0; i < 8; ++i)
    EXPECT_FLOAT_EQ(attention.out[i * 4], static_cast<float>(i * 420));
}

TEST(Attention, LargeScoresNeitherOverflowNorVanish) {
  Stream stream;
  check<float>(stream, {1, 1, 1, 70, 130, 8, false, false, 40.0f});
  check<float>(stream, {1, 1, 1, 200, 200, 8, true, false, 20.0f});
}

TEST(Attention, TheNumberOfWorkersChangesNoBit) {
  const Case test{2, 6, 3, 150, 200, 40, true};
  Attention<float> one(test), many(test);
  {
    Threads threads(1);
    Stream stream;
    one.forward(stream);
    one.backward(stream);
  }
  for (int count : {2, 5}) {
    Threads threads(count);
    Stream stream;
    many.forward(stream);
    many.backward(stream);
    EXPECT_TRUE(many.out.same_bits(one.out));
    EXPECT_TRUE(many.lse.same_bits(one.lse));
    EXPECT_TRUE(many.gradients.same_bits(one.gradients));
  }
}

TEST(Attention, EmptyExtentsWriteNothing) {
  Stream stream;
  for (const Case &test : {Case{0, 2, 2, 4, 4, 8}, Case{1, 2, 2, 0, 4, 8}, Case{1, 0, 0, 4, 4, 8}}) {
    Attention<float> attention(test);
    attention.forward(stream);
    attention.backward(stream);
  }
  // Without keys there is nothing to attend to.
  Attention<float> attention({1, 1, 1, 3, 0, 8});
  attention.forward(stream);
  for (int64_t i = 0; i < attention.out.size(); ++i)
    EXPECT_EQ(attention.out[i], 0.0f);
}

TEST(Attention, BadArgumentsAreRefused) {
  Stream stream;
  Attention<float> a({1, 4, 2, 4, 4, 8, true});
  float x = 0;
  const auto launch = [&](const aios_attention_desc &d) {
    return aios_attention(stream, &x, nullptr, &x, &x, &x, nullptr, 0, &d);
  };
  aios_attention_desc d = a.desc;
  d.kv_len = 3;
  EXPECT_EQ(launch(d), AIOS_STATUS_INVALID_ARGUMENT);
  d = a.desc;
  d.head_dim = 257;
  EXPECT_EQ(launch(d), AIOS_STATUS_INVALID_ARGUMENT);
  EXPECT_STREQ(aios_last_error(), "attention: head_dim is 257; it must be 1 to 256");
  d = a.desc;
  d.kv_heads = 3;
  EXPECT_EQ(launch(d), AIOS_STATUS_INVALID_ARGUMENT);
  d = a.desc;
  d.dtype = AIOS_DTYPE_F16;
  EXPECT_EQ(launch(d), AIOS_STATUS_UNIMPLEMENTED);
  EXPECT_EQ(aios_attention_workspace_size(&d), -AIOS_STATUS_UNIMPLEMENTED);
  EXPECT_EQ(stream.synchronize(), AIOS_STATUS_OK);
}

} // namespace
