// SPDX-License-Identifier: Apache-2.0
#include "graph.h"

#include <algorithm>

#include "errors.h"

namespace cad {
namespace {

Ort::Env& environment() {
  static Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "cad_detect_cpp");
  return env;
}

Ort::Session open(const std::string& path, int threads) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(threads);
  options.SetInterOpNumThreads(1);
  options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_ENABLE_ALL);
  try {
    return {environment(), path.c_str(), options};
  } catch (const Ort::Exception& error) {
    throw KitError(path + " cannot be opened: " + error.what());
  }
}

void check(const std::string& path, const std::vector<std::string>& wanted, const std::vector<std::string>& there) {
  for (const std::string& name : wanted) {
    if (std::find(there.begin(), there.end(), name) == there.end()) throw KitError(path + " has no " + name);
  }
}

std::vector<const char*> pointers(const std::vector<std::string>& names) {
  std::vector<const char*> all;
  for (const std::string& name : names) all.push_back(name.c_str());
  return all;
}

}  // namespace

Graph::Graph(const std::string& path, std::vector<std::string> inputs, std::vector<std::string> outputs, int threads)
    : inputs_(std::move(inputs)), outputs_(std::move(outputs)), session_(open(path, threads)) {
  check(path, inputs_, session_.GetInputNames());
  check(path, outputs_, session_.GetOutputNames());
}

std::vector<Ort::Value> Graph::run(const std::vector<Ort::Value>& inputs) {
  const auto given = pointers(inputs_), wanted = pointers(outputs_);
  return session_.Run(Ort::RunOptions{nullptr}, given.data(), inputs.data(), inputs.size(), wanted.data(), wanted.size());
}

std::string runtime_version() { return Ort::GetVersionString(); }

}  // namespace cad
