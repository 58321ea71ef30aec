// SPDX-License-Identifier: Apache-2.0
// What may go wrong, and the exit code that says so: those of cad-detect.
#pragma once

#include <stdexcept>
#include <string>

namespace cad {

enum class ExitCode : int { ok = 0, usage = 2, input_failed = 3, kit = 4, fault = 70 };

// An error that is told in one line, with the exit code that goes with it.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  [[nodiscard]] ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// The file cannot be read or judged.
class MediaError : public Error {
 public:
  explicit MediaError(const std::string& text) : Error(ExitCode::input_failed, text) {}
};

// The kit is missing, damaged or of another version.
class KitError : public Error {
 public:
  explicit KitError(const std::string& text) : Error(ExitCode::kit, text) {}
};

}  // namespace cad
