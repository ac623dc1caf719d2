/*
 * A CUDA without a GPU: what ONNX Runtime's CUDA provider calls of libcudart, libcublas(Lt), libcuda and libcudnn.
 * Kernels do nothing, device memory is untouched zero pages, and each call is written down, one line each, after the
 * number of the thread that made it:
 *
 *   M bytes in_use     cudaMalloc            F bytes in_use   cudaFree
 *   H bytes in_use     pinned host memory    h bytes in_use   its end
 *   L kernel gx,gy,gz bx,by,bz smem          a kernel's launch
 *   C api kind from to bytes                 a copy; places are device, pinned, pageable
 *   S name                                   the host waits for the device
 *   B name m n k a b c compute batch mode    a product of cuBLAS, in its (column-major) terms; mode 3: TF32 allowed
 *   N what                                   cuDNN runs something
 *   U name                                   a function that nobody wrote here (returns 0)
 *
 * FAKE_CUDA_TRACE      a folder for these lines, in one file a process, named after its number
 * FAKE_CUDA_MEMORY     bytes of the device, 80e9 by default
 * FAKE_CUDA_ARCH       its compute capability times ten, 90 by default
 * FAKE_CUDA_FAULT      what goes wrong from now on; it may be set while the process runs. no-device, no-driver: there
 *                      is none; lost: error 719, as after a kernel's illegal access; memory: cudaMalloc finds none;
 *                      cublas, cublas-memory, cudnn, cudnn-memory: these libraries fail, or find no memory
 * FAKE_CUDA_ZEROS      if it is set, whatever the host reads is zeros: class 0, not any byte
 * FAKE_CUDA_LOST_AFTER so many waits for the device go well, then it is lost
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
typedef struct { unsigned x, y, z; } dim3;
enum { OK = 0, OUT_OF_MEMORY = 2, INSUFFICIENT_DRIVER = 35, NO_DEVICE = 100, DEVICE_LOST = 719 };
enum { CUBLAS_ALLOC_FAILED = 3, CUBLAS_EXECUTION_FAILED = 13 };
enum { CUDNN_DEVICE_ALLOCATION_FAILED = 4004, CUDNN_EXECUTION_FAILED = 5000 };

/* ---- the trace ---- */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace_fd = -2;

static void say(const char *format, ...) {
  char line[1024];
  va_list list;
  if (trace_fd == -1) return;
  int n = snprintf(line, sizeof line, "%d ", (int)gettid());
  va_start(list, format);
  n += vsnprintf(line + n, sizeof line - n, format, list);
  va_end(list);
  if (n >= (int)sizeof line) { n = sizeof line - 1; line[n - 1] = '\n'; }
  pthread_mutex_lock(&lock);
  if (trace_fd == -2) {
    const char *folder = getenv("FAKE_CUDA_TRACE");
    char file[4096];
    snprintf(file, sizeof file, "%s/%d", folder ? folder : "", (int)getpid());
    trace_fd = folder ? open(file, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
  }
  if (trace_fd >= 0 && write(trace_fd, line, n) < 0) trace_fd = -1;
  pthread_mutex_unlock(&lock);
}

API int fake_unknown(const char *name) { say("U %s\n", name); return OK; }

/* ---- faults ---- */
static int has_fault(const char *name) {
  const char *fault = getenv("FAKE_CUDA_FAULT");
  return fault && strcmp(fault, name) == 0;
}
/* Once a device is lost, every call of its process fails. */
static int lost;
static int state(void) { return lost || has_fault("lost") ? DEVICE_LOST : OK; }

static void *token(void) { return calloc(1, 256); }

/* ---- memory ---- */
typedef struct { char *at; size_t bytes; int kind; } Range; /* kind: 1 pinned, 2 device */
static Range *ranges; static size_t range_count, range_room;
static size_t in_use[3];
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t env_number(const char *name, double otherwise) {
  const char *text = getenv(name);
  return (size_t)(text ? atof(text) : otherwise);
}
static size_t device_bytes(void) { return env_number("FAKE_CUDA_MEMORY", 80e9); }
static int arch(void) { return (int)env_number("FAKE_CUDA_ARCH", 90); }

static int take(void **out, size_t bytes, int kind) {
  size_t whole = bytes ? bytes : 1;
  pthread_mutex_lock(&ranges_lock);
  int full = kind == 2 && in_use[2] + whole > device_bytes();
  pthread_mutex_unlock(&ranges_lock);
  if (kind == 2 && has_fault("memory")) full = 1;
  if (full) { say("M %zu REFUSED\n", bytes); return OUT_OF_MEMORY; }
  void *at = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return OUT_OF_MEMORY;
  madvise(at, whole, MADV_NOHUGEPAGE);
  pthread_mutex_lock(&ranges_lock);
  if (range_count == range_room) ranges = realloc(ranges, (range_room = range_room * 2 + 64) * sizeof *ranges);
  ranges[range_count++] = (Range){at, whole, kind};
  size_t now = in_use[kind] += whole;
  pthread_mutex_unlock(&ranges_lock);
  say("%c %zu %zu\n", kind == 2 ? 'M' : 'H', whole, now);
  *out = at;
  return OK;
}

static int give(void *at) {
  if (!at) return OK;
  pthread_mutex_lock(&ranges_lock);
  for (size_t i = 0; i < range_count; i++)
    if (ranges[i].at == at) {
      Range gone = ranges[i];
      ranges[i] = ranges[--range_count];
      size_t now = in_use[gone.kind] -= gone.bytes;
      pthread_mutex_unlock(&ranges_lock);
      munmap(gone.at, gone.bytes);
      say("%c %zu %zu\n", gone.kind == 2 ? 'F' : 'h', gone.bytes, now);
      return OK;
    }
  pthread_mutex_unlock(&ranges_lock);
  return OK;
}

static int kind_of(const void *p) {
  int kind = 0;
  pthread_mutex_lock(&ranges_lock);
  for (size_t i = 0; i < range_count && !kind; i++)
    if ((const char *)p >= ranges[i].at && (const char *)p < ranges[i].at + ranges[i].bytes) kind = ranges[i].kind;
  pthread_mutex_unlock(&ranges_lock);
  return kind;
}
static const char *place(const void *p) {
  static const char *names[] = {"pageable", "pinned", "device"};
  return names[kind_of(p)];
}

API int cudaMalloc(void **p, size_t n) { return state() ? state() : take(p, n, 2); }
API int cudaFree(void *p) { return give(p); }
API int cudaMallocFromPoolAsync(void **p, size_t n, void *pool, void *s) { (void)pool; (void)s; return take(p, n, 2); }
API int cudaFreeAsync(void *p, void *s) { (void)s; return give(p); }
API int cudaMallocHost(void **p, size_t n) { return take(p, n, 1); }
API int cudaHostAlloc(void **p, size_t n, unsigned f) { (void)f; return take(p, n, 1); }
API int cudaFreeHost(void *p) { return give(p); }
API int cudaMemGetInfo(size_t *free_bytes, size_t *total) {
  *total = device_bytes();
  *free_bytes = *total - in_use[2];
  return OK;
}
API int cudaPointerGetAttributes(void *out, const void *p) {
  int *a = out;
  memset(out, 0, 88);
  a[0] = kind_of(p);
  ((const void **)out)[1] = a[0] ? p : NULL;
  ((const void **)out)[2] = a[0] == 2 ? NULL : p;
  return OK;
}

/* Small ones are made, for shapes and counters; of large ones the device keeps nothing and gives zeros. */
enum { REAL = 65536 };
static void copy(void *to, const void *from, size_t n) {
  if (kind_of(from) == 2 && kind_of(to) != 2 && getenv("FAKE_CUDA_ZEROS")) memset(to, 0, n);
  else if (n <= REAL) memcpy(to, from, n);
  else if (kind_of(to) != 2) memset(to, 0, n);
}
static int copied(const char *api, void *to, const void *from, size_t n, int kind) {
  if (state()) return state();
  say("C %s %d %s %s %zu %p %p\n", api, kind, place(from), place(to), n, from, to);
  copy(to, from, n);
  return OK;
}
API int cudaMemcpy(void *to, const void *from, size_t n, int kind) { return copied("sync", to, from, n, kind); }
API int cudaMemcpyAsync(void *to, const void *from, size_t n, int kind, void *s) { (void)s; return copied("async", to, from, n, kind); }
API int cudaMemcpy2DAsync(void *to, size_t tp, const void *from, size_t fp, size_t w, size_t h, int kind, void *s) {
  (void)tp; (void)fp; (void)s;
  say("C async2d %d %s %s %zu\n", kind, place(from), place(to), w * h);
  return OK;
}
API int cudaMemcpyFromSymbol(void *to, const void *symbol, size_t n, size_t o, int kind) { (void)symbol; (void)o; (void)kind; memset(to, 0, n); return OK; }
API int cudaMemset(void *p, int v, size_t n) { if (n <= REAL) memset(p, v, n); say("Z sync %zu\n", n); return OK; }
API int cudaMemsetAsync(void *p, int v, size_t n, void *s) { (void)s; if (n <= REAL) memset(p, v, n); say("Z async %zu\n", n); return OK; }

/* ---- the device ---- */
static int there(void) { return has_fault("no-device") ? NO_DEVICE : has_fault("no-driver") ? INSUFFICIENT_DRIVER : OK; }
API int cudaGetDeviceCount(int *n) { *n = there() ? 0 : 1; return there(); }
API int cudaGetDevice(int *d) { *d = 0; return OK; }
API int cudaSetDevice(int d) { (void)d; return there(); }
API int cudaRuntimeGetVersion(int *v) { *v = 13000; return OK; }
API int cudaDriverGetVersion(int *v) { *v = 13000; return OK; }
API int cudaGetLastError(void) { return state(); }
API int cudaPeekAtLastError(void) { return state(); }
API const char *cudaGetErrorName(int e) {
  return e == OUT_OF_MEMORY ? "cudaErrorMemoryAllocation" : e == NO_DEVICE ? "cudaErrorNoDevice"
       : e == INSUFFICIENT_DRIVER ? "cudaErrorInsufficientDriver" : "cudaErrorLaunchFailure";
}
API const char *cudaGetErrorString(int e) {
  return e == OUT_OF_MEMORY ? "out of memory" : e == NO_DEVICE ? "no CUDA-capable device is detected"
       : e == INSUFFICIENT_DRIVER ? "CUDA driver version is insufficient for CUDA runtime version"
       : "unspecified launch failure";
}

/* Offsets of CUDA 13's cudaDeviceProp. */
API int cudaGetDeviceProperties(void *out, int d) {
  (void)d;
  char *p = out;
  memset(p, 0, 1008);
  strcpy(p, "Fake H100");
  *(size_t *)(p + 288) = device_bytes();
  *(size_t *)(p + 296) = 49152;
  *(int *)(p + 304) = 65536;
  *(int *)(p + 308) = 32;
  *(size_t *)(p + 312) = 2147483647;
  *(int *)(p + 320) = 1024;
  memcpy(p + 324, (int[]){1024, 1024, 64}, 12);
  memcpy(p + 336, (int[]){2147483647, 65535, 65535}, 12);
  *(size_t *)(p + 352) = 65536;
  *(int *)(p + 360) = arch() / 10;
  *(int *)(p + 364) = arch() % 10;
  *(size_t *)(p + 368) = 512;
  *(int *)(p + 384) = 132;
  *(int *)(p + 392) = *(int *)(p + 560) = *(int *)(p + 584) = *(int *)(p + 588) = *(int *)(p + 668) = 1;
  *(int *)(p + 596) = 52428800;
  *(int *)(p + 604) = 2048;
  *(size_t *)(p + 624) = 233472;
  *(int *)(p + 632) = 65536;
  *(size_t *)(p + 672) = 232448;
  *(int *)(p + 688) = 32;
  *(size_t *)(p + 696) = 1024;
  *(int *)(p + 720) = 1;
  return OK;
}
API int cudaDeviceGetAttribute(int *v, int attribute, int d) {
  (void)d;
  switch (attribute) {
    case 1: case 2: case 3: *v = 1024; break;
    case 4: *v = 64; break;
    case 5: *v = 2147483647; break;
    case 6: case 7: *v = 65535; break;
    case 8: *v = 49152; break;
    case 10: *v = 32; break;
    case 12: case 82: *v = 65536; break;
    case 16: *v = 132; break;
    case 38: *v = 52428800; break;
    case 39: *v = 2048; break;
    case 75: *v = arch() / 10; break;
    case 76: *v = arch() % 10; break;
    case 81: *v = 233472; break;
    case 95: case 115: *v = 1; break;
    case 97: *v = 232448; break;
    case 106: *v = 32; break;
    default: *v = 0;
  }
  return OK;
}
API int cudaFuncGetAttributes(void *out, const void *f) {
  (void)f;
  memset(out, 0, 144);
  int *a = (int *)((char *)out + 24);
  a[0] = 1024; a[1] = 64; a[2] = arch(); a[3] = arch();
  *(int *)((char *)out + 44) = 232448;
  return OK;
}
API int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, const void *f, int b, size_t m, unsigned g) {
  (void)f; (void)b; (void)m; (void)g;
  *n = 2;
  return OK;
}
static int nothing(void) { return OK; }
API int cudaGetDriverEntryPointByVersion(const char *name, void **f, unsigned v, unsigned long long g, int *status) {
  (void)name; (void)v; (void)g;
  *f = (void *)nothing;
  if (status) *status = 0;
  return OK;
}

/* ---- streams and events ---- */
API int cudaStreamCreate(void **s) { *s = token(); return OK; }
API int cudaStreamCreateWithFlags(void **s, unsigned f) { (void)f; *s = token(); return OK; }
API int cudaStreamDestroy(void *s) { (void)s; return OK; }
API int cudaStreamSynchronize(void *s) {
  (void)s;
  static size_t count;
  say("S cudaStreamSynchronize\n");
  if (++count > env_number("FAKE_CUDA_LOST_AFTER", 1e18)) lost = 1;
  return state();
}
API int cudaDeviceSynchronize(void) { say("S cudaDeviceSynchronize\n"); return OK; }
API int cudaStreamWaitEvent(void *s, void *e, unsigned f) { (void)s; (void)e; (void)f; return OK; }
API int cudaStreamIsCapturing(void *s, int *status) { (void)s; *status = 0; return OK; }
API int cudaEventCreate(void **e) { *e = token(); return OK; }
API int cudaEventCreateWithFlags(void **e, unsigned f) { (void)f; *e = token(); return OK; }
API int cudaEventDestroy(void *e) { free(e); return OK; }
API int cudaEventRecord(void *e, void *s) { (void)e; (void)s; return OK; }
API int cudaEventSynchronize(void *e) { (void)e; say("S cudaEventSynchronize\n"); return OK; }
API int cudaEventElapsedTime(float *ms, void *a, void *b) { (void)a; (void)b; *ms = 0.01f; return OK; }
API int cudaLaunchHostFunc(void *s, void (*f)(void *), void *data) { (void)s; f(data); return OK; }
API int cudaMemPoolCreate(void **p, const void *o) { (void)o; *p = token(); return OK; }
API int cudaMemPoolGetAttribute(void *p, int a, void *v) { (void)p; (void)a; *(uint64_t *)v = 0; return OK; }

/* ---- kernels ---- */
typedef struct { const void *function; const char *name; } Kernel;
static Kernel *kernels; static size_t kernel_count, kernel_room;

API void **__cudaRegisterFatBinary(void *code) { (void)code; return token(); }
API void __cudaRegisterFatBinaryEnd(void **h) { (void)h; }
API void __cudaUnregisterFatBinary(void **h) { (void)h; }
API void __cudaRegisterVar(void **h, char *v, char *a, const char *n, int e, size_t s, int c, int g) {
  (void)h; (void)v; (void)a; (void)n; (void)e; (void)s; (void)c; (void)g;
}
API void __cudaRegisterFunction(void **h, const void *function, char *device, const char *name, int limit, void *t, void *b, void *bd, void *gd, int *w) {
  (void)h; (void)device; (void)limit; (void)t; (void)b; (void)bd; (void)gd; (void)w;
  if (kernel_count == kernel_room) kernels = realloc(kernels, (kernel_room = kernel_room * 2 + 4096) * sizeof *kernels);
  kernels[kernel_count++] = (Kernel){function, name};
}
static const char *kernel_name(const void *function) {
  for (size_t i = 0; i < kernel_count; i++)
    if (kernels[i].function == function) return kernels[i].name;
  return "?";
}
static int launched(const void *f, dim3 g, dim3 b, size_t m) {
  say("L %s %u,%u,%u %u,%u,%u %zu\n", kernel_name(f), g.x, g.y, g.z, b.x, b.y, b.z, m);
  return OK;
}
static __thread struct { dim3 grid, block; size_t shared; void *stream; } pushed;
API unsigned __cudaPushCallConfiguration(dim3 g, dim3 b, size_t m, void *s) { pushed.grid = g; pushed.block = b; pushed.shared = m; pushed.stream = s; return 0; }
API int __cudaPopCallConfiguration(dim3 *g, dim3 *b, size_t *m, void *s) { *g = pushed.grid; *b = pushed.block; *m = pushed.shared; *(void **)s = pushed.stream; return OK; }
API int __cudaGetKernel(void **kernel, const void *f) { *kernel = (void *)f; return OK; }
API int __cudaLaunchKernel(const void *f, dim3 g, dim3 b, void **a, size_t m, void *s) { (void)a; (void)s; return launched(f, g, b, m); }
API int cudaLaunchKernel(const void *f, dim3 g, dim3 b, void **a, size_t m, void *s) { (void)a; (void)s; return launched(f, g, b, m); }
API int cudaLaunchCooperativeKernel(const void *f, dim3 g, dim3 b, void **a, size_t m, void *s) { (void)a; (void)s; return launched(f, g, b, m); }
API int cudaLaunchKernelExC(const void *config, const void *f, void **a) {
  (void)a;
  const dim3 *d = config;
  return launched(f, d[0], d[1], *(const size_t *)((const char *)config + 24));
}

/* ---- cuBLAS ---- */
API int cublasCreate_v2(void **h) { *h = token(); return OK; }
static __thread int math_mode;
API int cublasGetMathMode(void *h, int *m) { (void)h; *m = math_mode; return OK; }
API int cublasSetMathMode(void *h, int m) { (void)h; math_mode = m; return OK; }
API const char *cublasGetStatusName(int s) {
  return s == CUBLAS_ALLOC_FAILED ? "CUBLAS_STATUS_ALLOC_FAILED" : "CUBLAS_STATUS_EXECUTION_FAILED";
}
API const char *cublasGetStatusString(int s) {
  return s == CUBLAS_ALLOC_FAILED ? "the resource allocation failed" : "the function failed to launch on the GPU";
}
static int product(const char *name, int m, int n, int k, int a, int b, int c, int compute, int batch) {
  say("B %s %d %d %d %d %d %d %d %d mode %d\n", name, m, n, k, a, b, c, compute, batch, math_mode);
  return has_fault("cublas-memory") ? CUBLAS_ALLOC_FAILED : has_fault("cublas") ? CUBLAS_EXECUTION_FAILED : OK;
}
API int cublasGemmEx(void *h, int ta, int tb, int m, int n, int k, const void *al, const void *A, int at, int la, const void *B, int bt, int lb, const void *be, void *C, int ct, int lc, int compute, int algo) {
  (void)h; (void)ta; (void)tb; (void)al; (void)A; (void)la; (void)B; (void)lb; (void)be; (void)C; (void)lc; (void)algo;
  return product("GemmEx", m, n, k, at, bt, ct, compute, 1);
}
API int cublasGemmStridedBatchedEx(void *h, int ta, int tb, int m, int n, int k, const void *al, const void *A, int at, int la, long long sa, const void *B, int bt, int lb, long long sb, const void *be, void *C, int ct, int lc, long long sc, int count, int compute, int algo) {
  (void)h; (void)ta; (void)tb; (void)al; (void)A; (void)la; (void)sa; (void)B; (void)lb; (void)sb; (void)be; (void)C; (void)lc; (void)sc; (void)algo;
  return product("GemmStridedBatchedEx", m, n, k, at, bt, ct, compute, count);
}
API int cublasGemmBatchedEx(void *h, int ta, int tb, int m, int n, int k, const void *al, const void *A, int at, int la, const void *B, int bt, int lb, const void *be, void *C, int ct, int lc, int count, int compute, int algo) {
  (void)h; (void)ta; (void)tb; (void)al; (void)A; (void)la; (void)B; (void)lb; (void)be; (void)C; (void)lc; (void)algo;
  return product("GemmBatchedEx", m, n, k, at, bt, ct, compute, count);
}
API int cublasSgemm_v2(void *h, int ta, int tb, int m, int n, int k) { (void)h; (void)ta; (void)tb; return product("Sgemm", m, n, k, 0, 0, 0, 68, 1); }
API int cublasDgemm_v2(void *h, int ta, int tb, int m, int n, int k) { (void)h; (void)ta; (void)tb; return product("Dgemm", m, n, k, 1, 1, 1, 70, 1); }
API int cublasSgemmStridedBatched(void *h, int ta, int tb, int m, int n, int k, const void *al, const void *A, int la, long long sa, const void *B, int lb, long long sb, const void *be, void *C, int lc, long long sc, int count) {
  (void)h; (void)ta; (void)tb; (void)al; (void)A; (void)la; (void)sa; (void)B; (void)lb; (void)sb; (void)be; (void)C; (void)lc; (void)sc;
  return product("SgemmStridedBatched", m, n, k, 0, 0, 0, 68, count);
}
API int cublasSgemmBatched(void *h, int ta, int tb, int m, int n, int k, const void *al, const void *A, int la, const void *B, int lb, const void *be, void *C, int lc, int count) {
  (void)h; (void)ta; (void)tb; (void)al; (void)A; (void)la; (void)B; (void)lb; (void)be; (void)C; (void)lc;
  return product("SgemmBatched", m, n, k, 0, 0, 0, 68, count);
}

/* ---- cuBLASLt ---- */
typedef struct { int type; uint64_t rows, columns; } Layout;
API int cublasLtCreate(void **h) { *h = token(); return OK; }
API int cublasLtMatmulDescCreate(void **d, int compute, int scale) { (void)scale; *d = token(); **(int **)d = compute; return OK; }
API int cublasLtMatmulPreferenceCreate(void **d) { *d = token(); return OK; }
API int cublasLtMatrixTransformDescCreate(void **d, int scale) { (void)scale; *d = token(); return OK; }
API int cublasLtMatrixLayoutCreate(void **d, int type, uint64_t rows, uint64_t columns, int64_t ld) {
  (void)ld;
  *d = token();
  *(Layout *)*d = (Layout){type, rows, columns};
  return OK;
}
API int cublasLtMatmulAlgoGetHeuristic(void *h, void *d, void *a, void *b, void *c, void *dd, void *p, int asked, void *results, int *given) {
  (void)h; (void)d; (void)a; (void)b; (void)c; (void)dd; (void)p;
  memset(results, 0, 64 + 8 + 4 + 4 + 16);
  *given = asked > 0;
  return OK;
}
API int cublasLtMatmul(void *h, void *d, const void *al, const void *A, void *a, const void *B, void *b, const void *be, const void *C, void *c, void *D, void *dd) {
  (void)h; (void)al; (void)A; (void)B; (void)be; (void)C; (void)c; (void)D;
  Layout *x = a, *y = b, *z = dd;
  say("B LtMatmul %llu %llu %llu %d %d %d %d 1\n", (unsigned long long)z->rows, (unsigned long long)z->columns,
      (unsigned long long)(x->rows == z->rows ? x->columns : x->rows), x->type, y->type, z->type, *(int *)d);
  return OK;
}

/* ---- cuDNN: its old interface, and the backend that convolutions go by ---- */
API size_t cudnnGetVersion(void) { return 92801; }
static int cudnn_state(void) {
  return has_fault("cudnn-memory") ? CUDNN_DEVICE_ALLOCATION_FAILED : has_fault("cudnn") ? CUDNN_EXECUTION_FAILED : OK;
}
API const char *cudnnGetErrorString(int s) {
  return s == CUDNN_DEVICE_ALLOCATION_FAILED ? "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"
       : s == CUDNN_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED" : "CUDNN_STATUS_SUCCESS";
}
API void cudnnGetLastErrorString(char *text, size_t n) { if (n) *text = 0; }
API int cudnnCreate(void **h) { *h = token(); return OK; }
API int cudnnGetStream(void *h, void **s) { (void)h; *s = NULL; return OK; }
#define CREATE(what) API int cudnnCreate##what##Descriptor(void **d) { *d = token(); return OK; }
CREATE(Activation) CREATE(Convolution) CREATE(Dropout) CREATE(Filter) CREATE(LRN) CREATE(Pooling) CREATE(RNNData)
CREATE(RNN) CREATE(ReduceTensor) CREATE(Tensor)
#define RUNS(what) API int cudnn##what(void) { say("N %s\n", #what); return cudnn_state(); }
RUNS(ActivationForward) RUNS(AddTensor) RUNS(BatchNormalizationForwardInference) RUNS(BatchNormalizationForwardTraining)
RUNS(ConvolutionBiasActivationForward) RUNS(ConvolutionForward) RUNS(LRNCrossChannelForward) RUNS(PoolingForward)
RUNS(ReduceTensor) RUNS(SoftmaxForward)
API int cudnnGetReductionWorkspaceSize(void *h, void *r, void *a, void *c, size_t *n) { (void)h; (void)r; (void)a; (void)c; *n = 0; return OK; }
API int cudnnGetReductionIndicesSize(void *h, void *r, void *a, void *c, size_t *n) { (void)h; (void)r; (void)a; (void)c; *n = 0; return OK; }
API int cudnnGetConvolutionForwardWorkspaceSize(void *h, void *x, void *w, void *c, void *y, int algo, size_t *n) { (void)h; (void)x; (void)w; (void)c; (void)y; (void)algo; *n = 0; return OK; }

/* A descriptor: its kind, and what it was made of, for the trace. */
typedef struct Backend { int kind; int dtype; int rank; int64_t dims[8]; int compute; struct Backend *parts[4]; } Backend;
enum {
  ENGINE_RESULTS = 202, CONFIG_ENGINE = 300, CONFIG_WORKSPACE = 303, CONFIG_SHARED_MEMORY = 304, WORKSPACE = 402,
  ENGINE_INDEX = 1301
};
API int cudnnBackendCreateDescriptor(int kind, void **d) {
  Backend *made = calloc(1, sizeof *made);
  made->kind = kind;
  *d = made;
  return OK;
}
API int cudnnBackendDestroyDescriptor(void *d) { (void)d; return OK; }
API int cudnnBackendFinalize(void *d) { (void)d; return OK; }
API int cudnnBackendSetAttribute(void *d, int name, int type, int64_t n, const void *values) {
  Backend *b = d;
  (void)type;
  if (name == 100) b->compute = *(const int *)values;             /* convolution's arithmetic */
  if (name == 901) b->dtype = *(const int *)values;               /* tensor's type */
  if (name == 902) { b->rank = n > 8 ? 8 : (int)n; memcpy(b->dims, values, b->rank * 8); }
  if (name == 702 || name == 712 || name == 722) b->parts[0] = *(Backend *const *)values;  /* conv, bgrad data, bgrad filter */
  if (name == 703 || name == 713) b->parts[1] = *(Backend *const *)values;
  if (name == 704 || name == 714) b->parts[2] = *(Backend *const *)values;
  if (name == 705 || name == 715) b->parts[3] = *(Backend *const *)values;
  if (name == 801 && n > 0) {                                     /* a graph's operations: the convolution among them */
    Backend *const *ops = values;
    for (int64_t i = 0; i < n; i++)
      if (ops[i]->parts[0]) b->parts[0] = ops[i];
    b->rank = (int)n;
  }
  if (name == 201) b->parts[0] = *(Backend *const *)values;       /* heuristics' graph */
  if (name == 401 || name == 300 || name == 1300) b->parts[0] = *(Backend *const *)values;
  return OK;
}
static Backend *last_graph_of(Backend *b) { for (int i = 0; b && i < 6 && b->kind != 15; i++) b = b->parts[0]; return b; }
API int cudnnBackendGetAttribute(void *d, int name, int type, int64_t asked, int64_t *given, void *values) {
  Backend *b = d;
  (void)type;
  int64_t n = 0;
  if (name == ENGINE_RESULTS) {
    n = 1;
    if (asked > 0 && values) (*(Backend **)values)->parts[0] = b->parts[0];
  } else if (name == CONFIG_ENGINE) {
    n = 1;
    if (asked > 0 && values) (*(Backend **)values)->parts[0] = b->parts[0];
  } else if (name == WORKSPACE || name == CONFIG_WORKSPACE || name == ENGINE_INDEX) {
    n = 1;
    if (asked > 0 && values) *(int64_t *)values = 0;
  } else if (name == CONFIG_SHARED_MEMORY) {
    n = 1;
    if (asked > 0 && values) *(int32_t *)values = 0;
  }
  if (given) *given = n;
  return OK;
}
API int cudnnBackendExecute(void *h, void *plan, void *pack) {
  (void)h; (void)pack;
  Backend *graph = last_graph_of(plan), *op = graph ? graph->parts[0] : NULL;
  char text[512] = "";
  int at = 0;
  static const char *names[] = {"", "w", "x", "y"};
  for (int i = 1; op && i < 4; i++)
    if (op->parts[i]) {
      at += snprintf(text + at, sizeof text - at, " %s", names[i]);
      for (int j = 0; j < op->parts[i]->rank; j++) at += snprintf(text + at, sizeof text - at, "%c%lld", j ? 'x' : '=', (long long)op->parts[i]->dims[j]);
      at += snprintf(text + at, sizeof text - at, ":%d", op->parts[i]->dtype);
    }
  say("N graph of %d op %d%s compute %d\n", graph ? graph->rank : -1, op ? op->kind : -1, text, op && op->parts[0] ? op->parts[0]->compute : -1);
  return cudnn_state();
}
