/*
 * cblas.h - the one function of the C interface to BLAS that `aios bench` calls, of whichever library is installed.
 * Declarations of this repository; the interface is that of the BLAS Technical Forum.
 */
#ifndef AIOS_BENCH_CBLAS_H
#define AIOS_BENCH_CBLAS_H

enum {
  CBLAS_ROW_MAJOR = 101,    /**< Rows are contiguous. */
  CBLAS_NO_TRANSPOSE = 111, /**< The matrix as it is stored. */
  CBLAS_TRANSPOSE = 112     /**< Its transpose. */
};

/** C = alpha op(A) op(B) + beta C; op(A) is m x k, op(B) k x n, and ld* are row pitches when rows are contiguous. */
void cblas_sgemm(int layout, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a,
                 int lda, const float *b, int ldb, float beta, float *c, int ldc);

/** OpenBLAS only: its version, build options and the kernels it chose, as a text that lives as long as the library. */
const char *openblas_get_config(void);

/** OpenBLAS only: the processor whose kernels it runs. */
const char *openblas_get_corename(void);

/** OpenBLAS only: sets its number of threads. */
void openblas_set_num_threads(int threads);

/** BLIS only: its version, as a text that lives as long as the library. */
const char *bli_info_get_version_str(void);

#endif
