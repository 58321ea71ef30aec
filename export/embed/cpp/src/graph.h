// SPDX-License-Identifier: Apache-2.0
// One ONNX graph of the kit, run by ONNX Runtime on the CPU.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <string>
#include <vector>

namespace cad {

// A tensor that lies in somebody else's memory, for as long as that lives.
template <typename T>
Ort::Value view_of(const T* data, std::size_t count, const std::vector<std::int64_t>& shape) {
  static const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  // ONNX Runtime's interface has no tensors that may not be written to; it does not write to inputs.
  return Ort::Value::CreateTensor<T>(memory, const_cast<T*>(data), count, shape.data(), shape.size());
}

// The values of a tensor that a graph gave.
template <typename T>
std::vector<T> values_of(const Ort::Value& tensor) {
  const T* data = tensor.GetTensorData<T>();
  return {data, data + tensor.GetTensorTypeAndShapeInfo().GetElementCount()};
}

class Graph {
 public:
  // `inputs` and `outputs`: in the order in which `run` takes and gives them; the graph must have them.
  Graph(const std::string& path, std::vector<std::string> inputs, std::vector<std::string> outputs, int threads);

  std::vector<Ort::Value> run(const std::vector<Ort::Value>& inputs);

 private:
  std::vector<std::string> inputs_, outputs_;
  Ort::Session session_;
};

// The version of the library that runs, which may be newer than the headers.
std::string runtime_version();

}  // namespace cad
