/*
 * aios_kernels.h - THE list of operations: one prototype, formula and shapes per op. Every backend implements it.
 *
 * Rules of every launcher
 *   - It only enqueues on `stream` and returns; outputs may be read after the stream has been synchronized.
 *   - Pointers are memory of the stream's device. Buffers are dense and row-major unless strides are given, and
 *     at least as aligned as their element. Buffers do not overlap unless the op says so.
 *   - Extents, strides and leading dimensions are in elements. An extent of 0 is legal: nothing is written.
 *   - `dtype` is the element type of all floating-point buffers that have no type of their own in the prototype:
 *     AIOS_DTYPE_F32 or AIOS_DTYPE_BF16. Arithmetic is in binary32; a bf16 result is rounded to nearest even.
 *   - Descriptors are read before the launcher returns. Arrays of tensor tables (`aios_adamw_tensor`, ...) are memory
 *     of the device and must stay unchanged until the launch has run.
 *   - Scratch memory comes from the caller: `workspace` has at least aios_<op>_workspace_size bytes, 64-byte aligned,
 *     and may be null when that is 0. A negative size is an error (the negated aios_status).
 *   - A combination that the provider does not implement returns AIOS_STATUS_UNIMPLEMENTED and enqueues nothing; a bad
 * argument returns AIOS_STATUS_INVALID_ARGUMENT.
 *   - The order of every reduction depends on the shapes only: same inputs, same bits, on any number of threads.
 *   - `accumulate`: 0 overwrites the output, 1 adds to what it holds.
 *   - What a launcher touches is said by lines that interop-gen reads: `\writes x[m : ld][n]` is n elements in each of
 *     m rows that start ld elements apart. A dimension without a stride is dense; `shape : stride`, both arrays, stands
 *     for `rank` dimensions. Elements are of the pointer's type, of `x_dtype` or of `dtype`, unless `of` names another,
 *     and `when` is a condition. Names are parameters or fields of `desc`. A null pointer is not touched, and what is
 *     written may be read too. Where a part is touched that the arguments do not tell, as in gather, it is the whole.
 *     The name of a structure, or of a table of them, stands for the lines of its type; what it `\holds` is touched as
 *     the structure is.
 */
#ifndef AIOS_KERNELS_H
#define AIOS_KERNELS_H

#include "aios.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- elementwise */

/** Highest rank of an elementwise op. */
enum { AIOS_MAX_RANK = 8 };

/**
 * Shape of an elementwise op. Index i of dimension d of a buffer lies `stride[d] * i` elements from its start.
 * A stride of 0 broadcasts an input; strides may be negative for inputs; output elements must be distinct.
 */
typedef struct aios_elementwise_desc {
  int32_t rank;          /**< Number of dimensions, 0 to AIOS_MAX_RANK. Rank 0 is one element. */
  aios_dtype dtype;      /**< Element type of all buffers. */
  int64_t shape[8];      /**< Extents, outermost first. */
  int64_t out_stride[8]; /**< Strides of the output. */
  int64_t a_stride[8];   /**< Strides of the first input. */
  int64_t b_stride[8];   /**< Strides of the second input; ignored by ops with one input. */
  float alpha;           /**< Factor of AIOS_UNARY_AFFINE. */
  float beta;            /**< Summand of AIOS_UNARY_AFFINE. */
} aios_elementwise_desc;

/** Functions of one variable. */
typedef int32_t aios_unary_op;
enum {
  AIOS_UNARY_COPY = 0,       /**< x; moves any strided view into any other. */
  AIOS_UNARY_AFFINE = 1,     /**< alpha * x + beta */
  AIOS_UNARY_ABS = 2,        /**< |x|; derivative 0 at 0 */
  AIOS_UNARY_SQUARE = 3,     /**< x * x */
  AIOS_UNARY_SQRT = 4,       /**< square root of x */
  AIOS_UNARY_RSQRT = 5,      /**< 1 / square root of x */
  AIOS_UNARY_RECIPROCAL = 6, /**< 1 / x */
  AIOS_UNARY_EXP = 7,        /**< e to the x */
  AIOS_UNARY_LOG = 8,        /**< natural logarithm of x */
  AIOS_UNARY_TANH = 9,       /**< hyperbolic tangent of x */
  AIOS_UNARY_SIGMOID = 10,   /**< 1 / (1 + exp(-x)) */
  AIOS_UNARY_RELU = 11,      /**< max(x, 0); derivative 0 at 0 */
  AIOS_UNARY_GELU = 12, /**< x * Phi(x), Phi the normal distribution function (Hendrycks & Gimpel, arXiv:1606.08415) */
  AIOS_UNARY_GELU_TANH = 13, /**< 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the form GPT-2 uses */
  AIOS_UNARY_SILU = 14       /**< x * sigmoid(x) (arXiv:1702.03118) */
};

/** Functions of two variables. */
typedef int32_t aios_binary_op;
enum {
  AIOS_BINARY_ADD = 0,           /**< a + b */
  AIOS_BINARY_SUB = 1,           /**< a - b */
  AIOS_BINARY_MUL = 2,           /**< a * b */
  AIOS_BINARY_DIV = 3,           /**< a / b */
  AIOS_BINARY_MAXIMUM = 4,       /**< the greater of a and b; NaN when either is */
  AIOS_BINARY_MINIMUM = 5,       /**< the lesser of a and b; NaN when either is */
  AIOS_BINARY_GREATER_EQUAL = 6, /**< 1 where a >= b, else 0 */
  AIOS_BINARY_LESS = 7           /**< 1 where a < b, else 0 */
};

/**
 * out = op(a), elementwise. `out` may be `a` when their strides are equal.
 * \writes out[shape : out_stride]
 * \reads a[shape : a_stride]
 */
AIOS_API aios_status aios_unary(aios_stream stream, void *out, const void *a, aios_unary_op op,
                                const aios_elementwise_desc *desc);

/**
 * da = dout * op'(a), elementwise. In the descriptor out_stride is da's, a_stride a's and b_stride dout's.
 * `da` may be `dout` when their strides are equal.
 * \writes da[shape : out_stride]
 * \reads a[shape : a_stride], dout[shape : b_stride]
 */
AIOS_API aios_status aios_unary_backward(aios_stream stream, void *da, const void *dout, const void *a,
                                         aios_unary_op op, const aios_elementwise_desc *desc);

/**
 * out = op(a, b), elementwise with broadcasting. `out` may be `a` or `b` when their strides are equal.
 * \writes out[shape : out_stride]
 * \reads a[shape : a_stride], b[shape : b_stride]
 */
AIOS_API aios_status aios_binary(aios_stream stream, void *out, const void *a, const void *b, aios_binary_op op,
                                 const aios_elementwise_desc *desc);

/**
 * out[i] = value for i < n. `dtype` may also be AIOS_DTYPE_F16, or AIOS_DTYPE_I32 (value truncated toward zero).
 * \writes out[n]
 */
AIOS_API aios_status aios_fill(aios_stream stream, void *out, int64_t n, double value, aios_dtype dtype);

/**
 * out[i] = a[i] converted from `a_dtype` to `out_dtype`; each is F32, F16 or BF16. Rounds to nearest even.
 * \writes out[n]
 * \reads a[n]
 */
AIOS_API aios_status aios_cast(aios_stream stream, void *out, const void *a, int64_t n, aios_dtype out_dtype,
                               aios_dtype a_dtype);

/**
 * out[r][i] = silu(a[r][i]) * a[r][cols + i]: gate and up projections side by side (SwiGLU, arXiv:2002.05202).
 * a is [rows][2 cols], out is [rows][cols].
 * \writes out[rows][cols]
 * \reads a[rows][2 * cols]
 */
AIOS_API aios_status aios_swiglu(aios_stream stream, void *out, const void *a, int64_t rows, int64_t cols,
                                 aios_dtype dtype);

/**
 * Gradient of `aios_swiglu`: da [rows][2 cols] from dout [rows][cols] and a [rows][2 cols].
 * \writes da[rows][2 * cols]
 * \reads dout[rows][cols], a[rows][2 * cols]
 */
AIOS_API aios_status aios_swiglu_backward(aios_stream stream, void *da, const void *dout, const void *a, int64_t rows,
                                          int64_t cols, aios_dtype dtype);

/**
 * Inverted dropout (Srivastava et al., 2014): out[i] = u[i] < probability ? 0 : a[i] / (1 - probability).
 * u[i] = (w >> 8) * 2^-24 where w is word i mod 4 of Philox4x32-10 (Salmon et al., SC 2011) with key
 * (low, high word of seed) and counter (low, high word of i / 4, low, high word of offset). The gradient is the same
 * op on dout with the same seed and offset. `out` may be `a`. 0 <= probability < 1.
 * \writes out[n]
 * \reads a[n]
 */
AIOS_API aios_status aios_dropout(aios_stream stream, void *out, const void *a, int64_t n, float probability,
                                  uint64_t seed, uint64_t offset, aios_dtype dtype);

/* ---------------------------------------------------------------- reductions and indexing */

/** Reductions along one dimension. */
typedef int32_t aios_reduce_op;
enum {
  AIOS_REDUCE_SUM = 0,  /**< sum; 0 when n is 0 */
  AIOS_REDUCE_MEAN = 1, /**< sum / n; NaN when n is 0 */
  AIOS_REDUCE_MAX = 2,  /**< greatest; -infinity when n is 0; NaN when any is */
  AIOS_REDUCE_MIN = 3   /**< least; +infinity when n is 0; NaN when any is */
};

/** Bytes of workspace of `aios_reduce`. */
AIOS_API int64_t aios_reduce_workspace_size(int64_t outer, int64_t n, int64_t inner, aios_reduce_op op,
                                            aios_dtype dtype);

/**
 * out[o][i] = reduction over r < n of a[o][r][i], for o < outer and i < inner. a is [outer][n][inner], out
 * [outer][inner]. `accumulate` is for SUM and MEAN only. Sums are kept in enough precision that the error does not
 * grow with n beyond a few units in the last place of the sum of magnitudes.
 * \writes out[outer][inner], workspace[workspace_bytes] of bytes
 * \reads a[outer][n][inner]
 */
AIOS_API aios_status aios_reduce(aios_stream stream, void *out, const void *a, void *workspace, int64_t workspace_bytes,
                                 int64_t outer, int64_t n, int64_t inner, aios_reduce_op op, int32_t accumulate,
                                 aios_dtype dtype);

/**
 * out[o][i] = index of the first greatest a[o][r][i] over r < n, n >= 1; the first NaN counts as greatest.
 * \writes out[outer][inner]
 * \reads a[outer][n][inner]
 */
AIOS_API aios_status aios_argmax(aios_stream stream, int32_t *out, const void *a, int64_t outer, int64_t n,
                                 int64_t inner, aios_dtype dtype);

/**
 * out[o][j][i] = a[o][ids[j]][i] for j < count. a is [outer][axis][inner], out [outer][count][inner].
 * An id outside 0 <= id < axis is an execution error of the stream that names it. Token embedding is outer = 1.
 * \writes out[outer][count][inner]
 * \reads a[outer][axis][inner], ids[count]
 */
AIOS_API aios_status aios_gather(aios_stream stream, void *out, const void *a, const int32_t *ids, int64_t outer,
                                 int64_t axis, int64_t inner, int64_t count, aios_dtype dtype);

/**
 * out[o][ids[j]][i] += a[o][j][i] for j = 0, 1, ... count - 1 in that order: the gradient of `aios_gather`.
 * out is [outer][axis][inner], a [outer][count][inner]. An id out of range is an execution error, as in gather.
 * A bf16 element is summed in binary32 and rounded once for every 131,072 ids.
 * \writes out[outer][axis][inner]
 * \reads a[outer][count][inner], ids[count]
 */
AIOS_API aios_status aios_scatter_add(aios_stream stream, void *out, const void *a, const int32_t *ids, int64_t outer,
                                      int64_t axis, int64_t inner, int64_t count, aios_dtype dtype);

/* ---------------------------------------------------------------- matrix multiplication */

/** What `aios_gemm` does to the product before it is stored; flags are combined by OR and applied in this order. */
typedef int32_t aios_epilogue;
enum {
  AIOS_EPILOGUE_NONE = 0,      /**< alpha A B + beta C, nothing else */
  AIOS_EPILOGUE_BIAS = 1,      /**< adds bias[n] to every row */
  AIOS_EPILOGUE_GELU_TANH = 2, /**< stores the value to `aux` when that is not null, then applies tanh-GELU */
  AIOS_EPILOGUE_RESIDUAL = 4   /**< adds residual[m][n] */
};

/** A (batched) matrix product. Matrices are row-major. */
typedef struct aios_gemm_desc {
  int64_t m;              /**< Rows of C. */
  int64_t n;              /**< Columns of C. */
  int64_t k;              /**< Length of the sums; with k = 0 the product is 0. */
  int64_t batch;          /**< Number of products; 1 for a plain one. */
  int64_t lda;            /**< Row pitch of A as stored: [m][k], or [k][m] when trans_a. */
  int64_t ldb;            /**< Row pitch of B as stored: [k][n], or [n][k] when trans_b. Unused when packed_b. */
  int64_t ldc;            /**< Row pitch of C and aux. */
  int64_t ldr;            /**< Row pitch of the residual. */
  int64_t stride_a;       /**< From one A of the batch to the next; 0 shares it. */
  int64_t stride_b;       /**< From one B of the batch to the next; 0 shares it. */
  int64_t stride_c;       /**< From one C (and aux) of the batch to the next. */
  int64_t stride_r;       /**< From one residual of the batch to the next; 0 shares it. */
  int32_t trans_a;        /**< 1 when A is stored transposed. */
  int32_t trans_b;        /**< 1 when B is stored transposed. */
  int32_t packed_b;       /**< 1 when B is what `aios_gemm_pack` made of it. */
  aios_epilogue epilogue; /**< AIOS_EPILOGUE_* flags. */
  aios_dtype dtype;       /**< Element type of A and B. */
  aios_dtype out_dtype;   /**< Element type of C, aux, bias and residual: F32, or the dtype of A and B; of I8: F32 or
                               I32. I32 takes alpha 1, beta 0 or 1 and no epilogue, and wraps modulo 2^32. */
  float alpha;            /**< Factor of the product. */
  float beta;             /**< Factor of what C held; with 0, C is not read. */
} aios_gemm_desc;

/** Bytes of workspace of `aios_gemm`. */
AIOS_API int64_t aios_gemm_workspace_size(const aios_gemm_desc *desc);

/**
 * Bytes of the packed form of B, for products with the n, k, dtype, batch and stride_b of the desc. Its layout is the
 * private matter of a provider on one machine: it is no file format.
 */
AIOS_API int64_t aios_gemm_packed_size(const aios_gemm_desc *desc);

/**
 * Packs B, as the desc says it is stored, into `packed` (64-byte aligned), for any number of products whose desc has
 * packed_b = 1 and the same n, k, dtype, batch and stride_b. With stride_b = 0 the batch is of no account: B is packed
 * once, and shared by every product.
 * \writes packed[aios_gemm_packed_size(desc)] of bytes
 * \reads b[batch : stride_b][k : ldb][n] when !trans_b, b[batch : stride_b][n : ldb][k] when trans_b
 */
AIOS_API aios_status aios_gemm_pack(aios_stream stream, void *packed, const void *b, const aios_gemm_desc *desc);

/**
 * C = epilogue(alpha op(A) op(B) + beta C) for each product of the batch. Sums are in binary32, those of I8 in int32_t
 * modulo 2^32, exact. Of bfloat16 the processor may read denormals as 0 and flush sums that are denormal. `residual`
 * may be `c`. `aux` has the shape of C; it, `bias` and `residual` may be null when the epilogue does not name them.
 * \writes c[batch : stride_c][m : ldc][n] of out_dtype,
 *   aux[batch : stride_c][m : ldc][n] of out_dtype when epilogue & AIOS_EPILOGUE_GELU_TANH,
 *   workspace[workspace_bytes] of bytes
 * \reads a[batch : stride_a][m : lda][k] when !trans_a, a[batch : stride_a][k : lda][m] when trans_a,
 *   b[batch : stride_b][k : ldb][n] when !trans_b && !packed_b,
 *   b[batch : stride_b][n : ldb][k] when trans_b && !packed_b, b[aios_gemm_packed_size(desc)] of bytes when packed_b,
 *   bias[n] of out_dtype when epilogue & AIOS_EPILOGUE_BIAS,
 *   residual[batch : stride_r][m : ldr][n] of out_dtype when epilogue & AIOS_EPILOGUE_RESIDUAL
 */
AIOS_API aios_status aios_gemm(aios_stream stream, void *c, void *aux, const void *a, const void *b, const void *bias,
                               const void *residual, void *workspace, int64_t workspace_bytes,
                               const aios_gemm_desc *desc);

/* ---------------------------------------------------------------- quantised matrices */

/**
 * A matrix [rows][cols] of quantised weights W. Row r starts `aios_quantized_row_bytes(format, cols)` bytes after row
 * r - 1. What W[r][c] is in terms of its code q:
 *   AIOS_DTYPE_Q8_0 .. AIOS_DTYPE_IQ4_NL   as the constant says; a last block that is not full is stored whole
 *   AIOS_DTYPE_I8                          scales[r] q
 *   AIOS_DTYPE_F8E4M3, AIOS_DTYPE_F8E5M2   scales[r] q, q a float
 *   AIOS_DTYPE_I4                          scales[r][g] (q - zeros[r][g]), g = c / group; without zeros q - 8. A row
 * has ceil(cols / group) groups. This is what GPTQ (arXiv:2210.17323) and AWQ (arXiv:2306.00978) compute, in an order
 * of its own.
 * \holds data[rows][aios_quantized_row_bytes(format, cols)] of bytes,
 *   scales[rows] of f32 when format == AIOS_DTYPE_I8 || format == AIOS_DTYPE_F8E4M3 || format == AIOS_DTYPE_F8E5M2,
 *   scales[rows][(cols + group - 1) / group] of f16 when format == AIOS_DTYPE_I4,
 *   zeros[rows][(cols + group - 1) / group] of bytes when format == AIOS_DTYPE_I4
 */
typedef struct aios_qmatrix {
  void *data;        /**< The codes: rows * aios_quantized_row_bytes(format, cols) bytes. */
  void *scales;      /**< I8 and F8: f32 [rows]. I4: f16 [rows][groups]. Otherwise unused. */
  void *zeros;       /**< I4: u8 [rows][groups], or null for 8 everywhere. Otherwise unused. */
  int64_t rows;      /**< Rows: the outputs of a product. */
  int64_t cols;      /**< Columns: the length of its sums. */
  int64_t group;     /**< I4: columns that share a scale, a multiple of 32. Otherwise unused. */
  aios_dtype format; /**< AIOS_DTYPE_I8, F8E4M3, F8E5M2, I4, or one of the blocks from Q8_0 to IQ4_NL. */
} aios_qmatrix;

/**
 * Bytes of one row of codes: whole blocks of the format, 16 bytes for each 32 columns begun of I4, one byte per column
 * of I8 and F8. A negative number is an error (the negated aios_status).
 */
AIOS_API int64_t aios_quantized_row_bytes(aios_dtype format, int64_t cols);

/**
 * Quantises a [rows][cols] of `dtype` (F32 or BF16), which is finite, into `out`, whose buffers are written. Scales and
 * offsets are those with the least square error of a search around rounding to nearest, and never worse than that;
 * I8, F8 and Q8_0 take the greatest magnitude of a row or block for their greatest code. I4 fits zero points when
 * `out->zeros` is not null. What a row lacks of a whole block repeats its last element.
 * \writes out
 * \reads a[out.rows][out.cols]
 */
AIOS_API aios_status aios_quantize(aios_stream stream, const aios_qmatrix *out, const void *a, aios_dtype dtype);

/**
 * out[r][c] = W[r][c], as `dtype` (F32 or BF16).
 * \writes out[a.rows][a.cols]
 * \reads a
 */
AIOS_API aios_status aios_dequantize(aios_stream stream, void *out, const aios_qmatrix *a, aios_dtype dtype);

/** Bytes of workspace of `aios_qmatmul`. */
AIOS_API int64_t aios_qmatmul_workspace_size(const aios_qmatrix *w, int64_t m, aios_dtype dtype);

/**
 * c[i][r] = sum over j of a[i][j] W[r][j] + bias[r]: c [m][rows], a [m][cols] and bias [rows], which may be null, are
 * of `dtype` (F32 or BF16).
 * I4 and F8 multiply in binary32. The other formats quantise a first: with s the greatest magnitude of each 32
 * neighbouring elements of a row (of the whole row for I8), a[i][j] becomes x s / 127 with the integer
 * x = a[i][j] (127 / s) rounded to nearest even; products of integers are summed exactly, their multiples by the scales
 * in binary32. Where s is not finite, the row of c is NaN.
 * \writes c[m][w.rows], workspace[workspace_bytes] of bytes
 * \reads a[m][w.cols], w, bias[w.rows]
 */
AIOS_API aios_status aios_qmatmul(aios_stream stream, void *c, const void *a, const aios_qmatrix *w, const void *bias,
                                  void *workspace, int64_t workspace_bytes, int64_t m, aios_dtype dtype);

/* ---------------------------------------------------------------- normalization */

/**
 * out[r][c] = (x[r][c] - mean[r]) * rstd[r] * weight[c] + bias[c], with the mean and 1 / sqrt(variance + epsilon) of
 * each row (biased variance, two-pass; Ba et al., arXiv:1607.06450). `mean` and `rstd` [rows] may be null, `weight`
 * and `bias` [cols] too (then 1 and 0). `out` may be `x`.
 * \writes out[rows][cols], mean[rows], rstd[rows]
 * \reads x[rows][cols], weight[cols], bias[cols]
 */
AIOS_API aios_status aios_layernorm(aios_stream stream, void *out, float *mean, float *rstd, const void *x,
                                    const void *weight, const void *bias, int64_t rows, int64_t cols, float epsilon,
                                    aios_dtype dtype);

/** Bytes of workspace of `aios_layernorm_backward` and `aios_rmsnorm_backward`. */
AIOS_API int64_t aios_norm_backward_workspace_size(int64_t rows, int64_t cols, aios_dtype dtype);

/**
 * Gradient of `aios_layernorm`. `dweight` and `dbias` may be null; `weight` may be null (then 1). `accumulate_dx`
 * concerns dx; `accumulate_params` dweight and dbias.
 * \writes dx[rows][cols], dweight[cols], dbias[cols], workspace[workspace_bytes] of bytes
 * \reads dout[rows][cols], x[rows][cols], weight[cols], mean[rows], rstd[rows]
 */
AIOS_API aios_status aios_layernorm_backward(aios_stream stream, void *dx, void *dweight, void *dbias, const void *dout,
                                             const void *x, const void *weight, const float *mean, const float *rstd,
                                             void *workspace, int64_t workspace_bytes, int64_t rows, int64_t cols,
                                             int32_t accumulate_dx, int32_t accumulate_params, aios_dtype dtype);

/**
 * out[r][c] = x[r][c] * rstd[r] * weight[c] with rstd = 1 / sqrt(mean of squares + epsilon) of each row (Zhang &
 * Sennrich, arXiv:1910.07467). `rstd` [rows] and `weight` [cols] may be null (then weight is 1). `out` may be `x`.
 * \writes out[rows][cols], rstd[rows]
 * \reads x[rows][cols], weight[cols]
 */
AIOS_API aios_status aios_rmsnorm(aios_stream stream, void *out, float *rstd, const void *x, const void *weight,
                                  int64_t rows, int64_t cols, float epsilon, aios_dtype dtype);

/**
 * Gradient of `aios_rmsnorm`. `dweight` and `weight` may be null.
 * \writes dx[rows][cols], dweight[cols], workspace[workspace_bytes] of bytes
 * \reads dout[rows][cols], x[rows][cols], weight[cols], rstd[rows]
 */
AIOS_API aios_status aios_rmsnorm_backward(aios_stream stream, void *dx, void *dweight, const void *dout, const void *x,
                                           const void *weight, const float *rstd, void *workspace,
                                           int64_t workspace_bytes, int64_t rows, int64_t cols, int32_t accumulate_dx,
                                           int32_t accumulate_params, aios_dtype dtype);

/* ---------------------------------------------------------------- attention */

/** Multi-head attention; query heads are shared out evenly over the key-value heads (grouped-query attention). */
typedef struct aios_attention_desc {
  int64_t batch;         /**< Sequences. */
  int64_t heads;         /**< Query heads; a multiple of kv_heads. */
  int64_t kv_heads;      /**< Key and value heads. */
  int64_t q_len;         /**< Queries of a sequence. */
  int64_t kv_len;        /**< Keys of a sequence. */
  int64_t head_dim;      /**< Elements of one head, 1 to 256; they are contiguous. */
  int64_t q_stride[3];   /**< Strides of q and dq over (batch, head, position). */
  int64_t k_stride[3];   /**< Strides of k and dk over (batch, kv head, position). */
  int64_t v_stride[3];   /**< Strides of v and dv over (batch, kv head, position). */
  int64_t out_stride[3]; /**< Strides of out and dout over (batch, head, position). */
  float scale;           /**< Factor of the scores, usually 1 / sqrt(head_dim). */
  int32_t causal;        /**< 1: query i sees keys j <= i + kv_len - q_len. Needs kv_len >= q_len. */
  aios_dtype dtype;      /**< Element type of q, k, v, out and their gradients. */
} aios_attention_desc;

/** Bytes of workspace of `aios_attention`. */
AIOS_API int64_t aios_attention_workspace_size(const aios_attention_desc *desc);

/**
 * out = softmax(scale q k^T + mask) v by online softmax over tiles, never holding a q_len x kv_len matrix (Dao et al.,
 * arXiv:2205.14135). `lse` f32 [batch][heads][q_len] receives the log of each row's sum of exponentials and may be
 * null.
 * \writes out[batch : out_stride[0]][heads : out_stride[1]][q_len : out_stride[2]][head_dim],
 *   lse[batch][heads][q_len], workspace[workspace_bytes] of bytes
 * \reads q[batch : q_stride[0]][heads : q_stride[1]][q_len : q_stride[2]][head_dim],
 *   k[batch : k_stride[0]][kv_heads : k_stride[1]][kv_len : k_stride[2]][head_dim],
 *   v[batch : v_stride[0]][kv_heads : v_stride[1]][kv_len : v_stride[2]][head_dim]
 */
AIOS_API aios_status aios_attention(aios_stream stream, void *out, float *lse, const void *q, const void *k,
                                    const void *v, void *workspace, int64_t workspace_bytes,
                                    const aios_attention_desc *desc);

/** Bytes of workspace of `aios_attention_backward`. */
AIOS_API int64_t aios_attention_backward_workspace_size(const aios_attention_desc *desc);

/**
 * Gradient of `aios_attention`; dq, dk and dv are overwritten. Deterministic; memory stays linear in the lengths.
 * \writes dq[batch : q_stride[0]][heads : q_stride[1]][q_len : q_stride[2]][head_dim],
 *   dk[batch : k_stride[0]][kv_heads : k_stride[1]][kv_len : k_stride[2]][head_dim],
 *   dv[batch : v_stride[0]][kv_heads : v_stride[1]][kv_len : v_stride[2]][head_dim],
 *   workspace[workspace_bytes] of bytes
 * \reads dout[batch : out_stride[0]][heads : out_stride[1]][q_len : out_stride[2]][head_dim],
 *   out[batch : out_stride[0]][heads : out_stride[1]][q_len : out_stride[2]][head_dim], lse[batch][heads][q_len],
 *   q[batch : q_stride[0]][heads : q_stride[1]][q_len : q_stride[2]][head_dim],
 *   k[batch : k_stride[0]][kv_heads : k_stride[1]][kv_len : k_stride[2]][head_dim],
 *   v[batch : v_stride[0]][kv_heads : v_stride[1]][kv_len : v_stride[2]][head_dim]
 */
AIOS_API aios_status aios_attention_backward(aios_stream stream, void *dq, void *dk, void *dv, const void *dout,
                                             const void *out, const float *lse, const void *q, const void *k,
                                             const void *v, void *workspace, int64_t workspace_bytes,
                                             const aios_attention_desc *desc);

/**
 * Rotary position embedding (Su et al., arXiv:2104.09864): rotates each pair of x [batch][length][heads][head_dim] by
 * position * theta^(-2 p / head_dim) for pair p. Pairs are (p, p + head_dim / 2), or (2 p, 2 p + 1) when `interleaved`.
 * The position of row t is positions[t], or t when `positions` is null. `inverse` rotates backward: the gradient.
 * head_dim is even. `out` may be `x`.
 * \writes out[batch][length][heads][head_dim]
 * \reads x[batch][length][heads][head_dim], positions[length]
 */
AIOS_API aios_status aios_rope(aios_stream stream, void *out, const void *x, const int32_t *positions, int64_t batch,
                               int64_t length, int64_t heads, int64_t head_dim, float theta, int32_t interleaved,
                               int32_t inverse, aios_dtype dtype);

/* ---------------------------------------------------------------- softmax and loss */

/**
 * out[r][c] = exp(a[r][c] - max_r) / sum_r over each row of [rows][cols]. `out` may be `a`.
 * \writes out[rows][cols]
 * \reads a[rows][cols]
 */
AIOS_API aios_status aios_softmax(aios_stream stream, void *out, const void *a, int64_t rows, int64_t cols,
                                  aios_dtype dtype);

/**
 * da = out * (dout - sum over the row of out * dout). `da` may be `dout`.
 * \writes da[rows][cols]
 * \reads dout[rows][cols], out[rows][cols]
 */
AIOS_API aios_status aios_softmax_backward(aios_stream stream, void *da, const void *dout, const void *out,
                                           int64_t rows, int64_t cols, aios_dtype dtype);

/** Bytes of workspace of `aios_cross_entropy`. */
AIOS_API int64_t aios_cross_entropy_workspace_size(int64_t rows, int64_t classes, aios_dtype dtype);

/**
 * loss[0] = mean over the rows with target >= 0 of lse[r] - logits[r][targets[r]], loss[1] = the number of those rows;
 * lse[r] = log of the row's sum of exponentials. logits are [rows][classes] with row pitch ld. A negative target
 * leaves its row out; one >= classes is an execution error of the stream that names it. No rows: loss[0] is NaN.
 * \writes loss[2], lse[rows], workspace[workspace_bytes] of bytes
 * \reads logits[rows : ld][classes], targets[rows]
 */
AIOS_API aios_status aios_cross_entropy(aios_stream stream, float *loss, float *lse, const void *logits,
                                        const int32_t *targets, void *workspace, int64_t workspace_bytes, int64_t rows,
                                        int64_t classes, int64_t ld, aios_dtype dtype);

/**
 * dlogits[r][c] = (exp(logits[r][c] - lse[r]) - [c = targets[r]]) * dloss[0] / loss[1], 0 in rows left out.
 * `dloss` is one float of the device. `dlogits` may be `logits` and has the same row pitch.
 * \writes dlogits[rows : ld][classes]
 * \reads dloss[1], loss[2], lse[rows], logits[rows : ld][classes], targets[rows]
 */
AIOS_API aios_status aios_cross_entropy_backward(aios_stream stream, void *dlogits, const float *dloss,
                                                 const float *loss, const float *lse, const void *logits,
                                                 const int32_t *targets, int64_t rows, int64_t classes, int64_t ld,
                                                 aios_dtype dtype);

/* ---------------------------------------------------------------- optimizers */

/**
 * One gradient of `aios_global_norm`.
 * \holds data[n]
 */
typedef struct aios_norm_tensor {
  const void *data; /**< n elements. */
  int64_t n;        /**< Number of elements. */
  aios_dtype dtype; /**< F32 or BF16. */
} aios_norm_tensor;

/**
 * Bytes of workspace of `aios_global_norm` for tensors with `total` elements altogether.
 */
AIOS_API int64_t aios_global_norm_workspace_size(int64_t count, int64_t total);

/**
 * out[0] = sqrt of the sum of squares of all elements of all tensors, out[1] = min(1, max_norm / (out[0] + 1e-6)):
 * the factor that clips to max_norm (Pascanu et al., arXiv:1211.5063); 1 when max_norm <= 0. `total` is the sum of n.
 * \writes out[2], workspace[workspace_bytes] of bytes
 * \reads tensors[count]
 */
AIOS_API aios_status aios_global_norm(aios_stream stream, float *out, const aios_norm_tensor *tensors, void *workspace,
                                      int64_t workspace_bytes, int64_t count, int64_t total, double max_norm);

/**
 * One parameter of `aios_adamw`.
 * \writes param[n], master[n], m[n], v[n]
 * \reads grad[n]
 */
typedef struct aios_adamw_tensor {
  void *param;         /**< n elements, updated. */
  const void *grad;    /**< n elements. */
  float *master;       /**< The parameter in binary32, n elements, updated; null when `param` is all there is. */
  float *m;            /**< First moments, updated. */
  float *v;            /**< Second moments, updated. */
  int64_t n;           /**< Number of elements. */
  double weight_decay; /**< Decoupled weight decay of this parameter. */
  aios_dtype dtype;    /**< Element type of param and grad. */
} aios_adamw_tensor;

/**
 * AdamW (Loshchilov & Hutter, arXiv:1711.05101) on all tensors in one launch, for step t = 1, 2, ...:
 * g = grad * grad_scale[0]; p *= 1 - lr * weight_decay; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
 * p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon).
 * With `master`, p is the master: it is updated as an F32 parameter would be, and `param`, which is not read, receives
 * its values rounded to nearest even (mixed-precision training, Micikevicius et al., arXiv:1710.03740).
 * Scalars that depend on t are computed in binary64. `grad_scale` is one float of the device or null for 1.
 * \reads tensors[count], grad_scale[1]
 */
AIOS_API aios_status aios_adamw(aios_stream stream, const aios_adamw_tensor *tensors, const float *grad_scale,
                                int64_t count, int64_t step, double lr, double beta1, double beta2, double epsilon);

/**
 * One parameter of `aios_sgd`.
 * \writes param[n], master[n], velocity[n]
 * \reads grad[n]
 */
typedef struct aios_sgd_tensor {
  void *param;         /**< n elements, updated. */
  const void *grad;    /**< n elements. */
  float *master;       /**< The parameter in binary32, n elements, updated; null when `param` is all there is. */
  float *velocity;     /**< n elements, updated; null without momentum. */
  int64_t n;           /**< Number of elements. */
  double weight_decay; /**< L2 coefficient, added to the gradient. */
  aios_dtype dtype;    /**< Element type of param and grad. */
} aios_sgd_tensor;

/**
 * Stochastic gradient descent with momentum on all tensors in one launch, for step t = 1, 2, ...:
 * g = grad * grad_scale[0] + weight_decay * p; u = g at t = 1, else momentum * u + g; p -= lr * u (or lr * g without
 * velocity). With `master`, p is the master and `param` receives it rounded, as in `aios_adamw`. `grad_scale` is one
 * float of the device or null for 1.
 * \reads tensors[count], grad_scale[1]
 */
AIOS_API aios_status aios_sgd(aios_stream stream, const aios_sgd_tensor *tensors, const float *grad_scale,
                              int64_t count, int64_t step, double lr, double momentum);

/* ---------------------------------------------------------------- limits of the machine */

/** What `aios_probe` does as fast as the device can. */
typedef int32_t aios_probe_kind;
enum {
  AIOS_PROBE_FMA_F32 = 0,      /**< Independent fused multiply-adds of binary32; counts 2 operations each. */
  AIOS_PROBE_DOT_BF16 = 1,     /**< Products of bf16 pairs summed in binary32; counts multiplications and additions. */
  AIOS_PROBE_DOT_I8 = 2,       /**< Products of 8-bit integers summed in 32 bits; counts as above. */
  AIOS_PROBE_READ = 3,         /**< Reads the buffer; counts the bytes read. */
  AIOS_PROBE_COPY = 4,         /**< Copies one half of the buffer to the other; counts bytes read and written. */
  AIOS_PROBE_COPY_STREAM = 5,  /**< The same with stores that pass by the caches, where the device has them. */
  AIOS_PROBE_TRIAD = 6,        /**< First third = second + constant * third; counts bytes read and written. */
  AIOS_PROBE_TRIAD_STREAM = 7, /**< The same with stores that pass by the caches, where the device has them. */
  AIOS_PROBE_UPDATE = 8,       /**< x = c x + c in place over the whole buffer; counts bytes read and written. */
  AIOS_PROBE_COPY_BLOCKS = 9   /**< As AIOS_PROBE_COPY with what the device has to move bytes without computing. */
};

/**
 * Measures a limit of the device: every worker (on a GPU every multiprocessor) does the same at once, `passes` times,
 * each on its own part of `buffer`. Writes result[0] = seconds from the first start to the last end, measured on the
 * device, and result[1] = operations or bytes. The arithmetic kinds use no buffer; one pass is 4,096 steps of a loop
 * that keeps every arithmetic unit busy. `buffer` is 64-byte aligned and its contents are finite binary32 numbers.
 * \writes result[2], buffer[bytes] of bytes when kind > AIOS_PROBE_READ
 * \reads buffer[bytes] of bytes when kind == AIOS_PROBE_READ
 */
AIOS_API aios_status aios_probe(aios_stream stream, double *result, void *buffer, int64_t bytes, int64_t passes,
                                aios_probe_kind kind);

#ifdef __cplusplus
}
#endif

#endif
