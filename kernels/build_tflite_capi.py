"""Builds `edge.shell.engines._tflite_capi`: cffi out-of-line ABI mode over TensorFlow Lite's stable C API.

The result is a plain Python module without a C parser and without a compiled part: the library is opened by path at run
time, wherever it is found. Only what the engine calls is declared (tensorflow/lite/c/c_api.h, TensorFlow 2.17).
"""

from cffi import FFI

ffi = FFI()
ffi.set_source("edge.shell.engines._tflite_capi", None)
ffi.cdef(
    """
    typedef struct TfLiteModel TfLiteModel;
    typedef struct TfLiteInterpreterOptions TfLiteInterpreterOptions;
    typedef struct TfLiteInterpreter TfLiteInterpreter;
    typedef struct TfLiteTensor TfLiteTensor;
    typedef struct { float scale; int32_t zero_point; } TfLiteQuantizationParams;

    const char *TfLiteVersion(void);

    /* The reporter is void (*)(void *user_data, const char *format, va_list). We only ever pass the address of the C
       library's vdprintf, whose signature fits (the descriptor rides in user_data), so it is declared untyped. */
    TfLiteModel *TfLiteModelCreateWithErrorReporter(const void *data, size_t size, void *reporter, void *user_data);
    void TfLiteModelDelete(TfLiteModel *model);

    TfLiteInterpreterOptions *TfLiteInterpreterOptionsCreate(void);
    void TfLiteInterpreterOptionsDelete(TfLiteInterpreterOptions *options);
    void TfLiteInterpreterOptionsSetNumThreads(TfLiteInterpreterOptions *options, int32_t threads);
    void TfLiteInterpreterOptionsSetErrorReporter(TfLiteInterpreterOptions *options, void *reporter, void *user_data);

    TfLiteInterpreter *TfLiteInterpreterCreate(const TfLiteModel *model, const TfLiteInterpreterOptions *options);
    void TfLiteInterpreterDelete(TfLiteInterpreter *interpreter);
    int TfLiteInterpreterAllocateTensors(TfLiteInterpreter *interpreter);
    int TfLiteInterpreterInvoke(TfLiteInterpreter *interpreter);
    int32_t TfLiteInterpreterGetInputTensorCount(const TfLiteInterpreter *interpreter);
    int32_t TfLiteInterpreterGetOutputTensorCount(const TfLiteInterpreter *interpreter);
    TfLiteTensor *TfLiteInterpreterGetInputTensor(const TfLiteInterpreter *interpreter, int32_t index);
    const TfLiteTensor *TfLiteInterpreterGetOutputTensor(const TfLiteInterpreter *interpreter, int32_t index);

    int TfLiteTensorType(const TfLiteTensor *tensor);
    int32_t TfLiteTensorNumDims(const TfLiteTensor *tensor);
    int32_t TfLiteTensorDim(const TfLiteTensor *tensor, int32_t index);
    size_t TfLiteTensorByteSize(const TfLiteTensor *tensor);
    void *TfLiteTensorData(const TfLiteTensor *tensor);
    TfLiteQuantizationParams TfLiteTensorQuantizationParams(const TfLiteTensor *tensor);

    int vdprintf(int fd, const char *format, void *arguments);
    """
)

if __name__ == "__main__":
    ffi.compile(verbose=True)
