// The exported functions of the stand-in for NVRTC: a user's kernels compiled with the machine's compiler.
#pragma GCC visibility push(default)
#include "../generated/nvrtc.h"
#pragma GCC visibility pop

#include <algorithm>
#include <cstring>
#include <set>

#include "nvrtc.h"

using namespace aios::sim::driver;

struct _nvrtcProgram {
  std::string source, name;
  std::vector<std::pair<std::string, std::string>> headers;
  std::set<std::string> names; ///< Of which lowered ones are asked for.
  Compilation result;
  bool compiled = false;
};

namespace {

constexpr const char *kMain = "simulator/driver/kernel.cu";

/// What is asked for as an option and means the same to the machine's compiler: definitions and directories.
std::vector<std::string> understood(int count, const char *const *options) {
  std::vector<std::string> kept;
  for (int i = 0; i < count; ++i) {
    std::string option = options[i];
    for (auto [longer, shorter] : {std::pair("--define-macro=", "-D"), std::pair("--include-path=", "-I")}) {
      if (option.starts_with(longer)) {
        option = shorter + option.substr(std::strlen(longer));
      }
    }
    if (option.starts_with("-D") || option.starts_with("-I")) {
      kept.push_back(option);
    }
  }
  return kept;
}

std::string whole(const _nvrtcProgram &program) {
  std::string text = "#include \"image_prologue.h\"\n#line 1 \"" + program.name + "\"\n" + translate(program.source) +
                     "\nextern \"C\" __attribute__((visibility(\"default\"))) const aios::sim::ImageKernel *"
                     "aios_cudasim_image(const aios::sim::ImageHooks *hooks) {\n"
                     "  aios::sim::hooks = hooks;\n  static const aios::sim::ImageKernel kernels[] = {\n";
  for (const std::string &kernel : find_kernels(program.source)) {
    std::string entry = "aios::sim::ImageEntry<&" + kernel + ">";
    text += "    {\"" + kernel + "\", &" + entry + "::call, " + entry + "::sizes, " + entry + "::count},\n";
  }
  return text + "    {nullptr, nullptr, nullptr, 0}};\n  return kernels;\n}\n";
}

} // namespace

const char *nvrtcGetErrorString(nvrtcResult result) {
  switch (result) {
  case NVRTC_SUCCESS:
    return "NVRTC_SUCCESS";
  case NVRTC_ERROR_COMPILATION:
    return "NVRTC_ERROR_COMPILATION";
  case NVRTC_ERROR_BUILTIN_OPERATION_FAILURE:
    return "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE";
  case NVRTC_ERROR_INVALID_PROGRAM:
    return "NVRTC_ERROR_INVALID_PROGRAM";
  case NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID:
    return "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID";
  default:
    return "NVRTC_ERROR_INTERNAL_ERROR";
  }
}

nvrtcResult nvrtcVersion(int *major, int *minor) {
  *major = 12;
  *minor = 4;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetNumSupportedArchs(int *count) {
  *count = 1;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetSupportedArchs(int *archs) {
  archs[0] = 90;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCreateProgram(nvrtcProgram *created, const char *source, const char *name, int count,
                               const char *const *headers, const char *const *names) {
  nvrtcProgram program = new _nvrtcProgram;
  program->source = source;
  program->name = name == nullptr ? "default_program" : name;
  for (int i = 0; i < count; ++i) {
    program->headers.emplace_back(std::string("simulator/driver/") + names[i], headers[i]);
  }
  *created = program;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
  delete *program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char *const *options) {
  std::vector<std::pair<std::string, std::string>> files = program->headers;
  for (const EmbeddedHeader *header = kImageHeaders; header->path != nullptr; ++header) {
    files.emplace_back(header->path, header->text);
  }
  files.emplace_back(kMain, whole(*program));
  program->result = compile(files, kMain, understood(count, options));
  program->compiled = program->result.succeeded;
  return program->compiled                ? NVRTC_SUCCESS
         : program->result.found_compiler ? NVRTC_ERROR_COMPILATION
                                          : NVRTC_ERROR_BUILTIN_OPERATION_FAILURE;
}

nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *bytes) {
  *bytes = program->result.image.size();
  return program->compiled ? NVRTC_SUCCESS : NVRTC_ERROR_INVALID_PROGRAM;
}

nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *image) {
  std::copy(program->result.image.begin(), program->result.image.end(), image);
  return program->compiled ? NVRTC_SUCCESS : NVRTC_ERROR_INVALID_PROGRAM;
}

nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t *bytes) {
  return nvrtcGetCUBINSize(program, bytes);
}

nvrtcResult nvrtcGetPTX(nvrtcProgram program, char *image) {
  return nvrtcGetCUBIN(program, image);
}

nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t *bytes) {
  *bytes = program->result.log.size() + 1;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char *log) {
  std::memcpy(log, program->result.log.c_str(), program->result.log.size() + 1);
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcAddNameExpression(nvrtcProgram program, const char *const name) {
  program->names.insert(name);
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetLoweredName(nvrtcProgram program, const char *const name, const char **lowered) {
  // Kernels keep the names that their source gives them.
  std::vector<std::string> kernels = find_kernels(program->source);
  auto found = program->names.find(name);
  bool good = found != program->names.end() && std::find(kernels.begin(), kernels.end(), name) != kernels.end();
  *lowered = good ? found->c_str() : nullptr;
  return good ? NVRTC_SUCCESS : NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID;
}
