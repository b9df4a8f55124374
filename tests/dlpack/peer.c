// What another library does with DLPack: it makes tensors, walks over the elements of others, and gives them back.
#include "peer.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  void *data;
  int64_t *extents;
  int32_t *deletions;
} context;

static void end(context *made) {
  atomic_fetch_add((_Atomic int32_t *)made->deletions, 1);
  free(made->data);
  free(made->extents);
  free(made);
}

static void delete_managed(aios_dlpack_managed *self) {
  end(self->context);
  free(self);
}

static void delete_legacy(aios_dlpack_legacy *self) {
  end(self->context);
  free(self);
}

static context *fill(aios_dlpack_tensor *tensor, const aios_dlpack_tensor *like, int64_t bytes, int32_t *deletions) {
  context *made = malloc(sizeof *made);
  const size_t rank = like->rank > 0 ? (size_t)like->rank : 0;
  made->data = bytes > 0 ? calloc(1, (size_t)bytes) : NULL;
  made->extents = calloc(2 * rank + 1, sizeof(int64_t));
  made->deletions = deletions;
  *tensor = *like;
  tensor->data = made->data;
  tensor->shape = like->shape ? made->extents : NULL;
  if (like->shape)
    memcpy(made->extents, like->shape, rank * sizeof(int64_t));
  if (like->strides) {
    tensor->strides = made->extents + rank;
    memcpy(tensor->strides, like->strides, rank * sizeof(int64_t));
  }
  return made;
}

aios_dlpack_managed *peer_make(aios_dlpack_version version, aios_dlpack_flags flags, const aios_dlpack_tensor *like,
                               int64_t bytes, int32_t *deletions) {
  aios_dlpack_managed *managed = malloc(sizeof *managed);
  managed->version = version;
  managed->context = fill(&managed->tensor, like, bytes, deletions);
  managed->deleter = delete_managed;
  managed->flags = flags;
  return managed;
}

aios_dlpack_legacy *peer_make_legacy(const aios_dlpack_tensor *like, int64_t bytes, int32_t *deletions) {
  aios_dlpack_legacy *managed = malloc(sizeof *managed);
  managed->context = fill(&managed->tensor, like, bytes, deletions);
  managed->deleter = delete_legacy;
  return managed;
}

// An index of a tensor on its way through all of them.
typedef struct {
  int64_t index[16];
  int done;
} walk;

static char *at(const aios_dlpack_tensor *tensor, const walk *place) {
  int64_t offset = 0, dense = 1;
  for (int32_t d = tensor->rank - 1; d >= 0; d--) {
    offset += place->index[d] * (tensor->strides ? tensor->strides[d] : dense);
    dense *= tensor->shape[d];
  }
  return (char *)tensor->data + tensor->byte_offset + offset * ((tensor->dtype.bits + 7) / 8);
}

static walk start(const aios_dlpack_tensor *tensor) {
  walk place = {{0}, 0};
  for (int32_t d = 0; d < tensor->rank; d++)
    place.done |= tensor->shape[d] == 0;
  return place;
}

static void next(const aios_dlpack_tensor *tensor, walk *place) {
  int32_t d = tensor->rank - 1;
  while (d >= 0 && ++place->index[d] == tensor->shape[d])
    place->index[d--] = 0;
  place->done = d < 0;
}

static double read(const aios_dlpack_dtype type, const char *element) {
  if (type.lanes != 1)
    return NAN;
  uint16_t half;
  uint32_t bits;
  float value;
  switch (type.code << 8 | type.bits) {
  case AIOS_DLPACK_CODE_FLOAT << 8 | 32:
    memcpy(&value, element, sizeof value);
    return value;
  case AIOS_DLPACK_CODE_BFLOAT << 8 | 16:
    memcpy(&half, element, sizeof half);
    bits = (uint32_t)half << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
  case AIOS_DLPACK_CODE_FLOAT << 8 | 16: // Normal numbers and zero only.
    memcpy(&half, element, sizeof half);
    return (half & 0x7fff) == 0
               ? 0
               : (half & 0x8000 ? -1 : 1) * ldexp(1 + (half & 0x3ff) / 1024.0, ((half >> 10) & 31) - 15);
  case AIOS_DLPACK_CODE_INT << 8 | 32:
    return *(const int32_t *)element;
  case AIOS_DLPACK_CODE_INT << 8 | 8:
    return *(const int8_t *)element;
  case AIOS_DLPACK_CODE_UINT << 8 | 8:
    return *(const uint8_t *)element;
  default:
    return NAN;
  }
}

double peer_sum(const aios_dlpack_tensor *tensor) {
  double sum = 0;
  for (walk place = start(tensor); !place.done; next(tensor, &place))
    sum += read(tensor->dtype, at(tensor, &place));
  return sum;
}

void peer_fill(const aios_dlpack_tensor *tensor, float value) {
  for (walk place = start(tensor); !place.done; next(tensor, &place))
    memcpy(at(tensor, &place), &value, sizeof value);
}

static void *release(void *managed) {
  ((aios_dlpack_managed *)managed)->deleter(managed);
  return NULL;
}

void peer_release_elsewhere(aios_dlpack_managed *managed) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, release, managed) == 0)
    pthread_join(thread, NULL);
}
