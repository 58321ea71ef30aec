// SPDX-License-Identifier: Apache-2.0
// cad_detect_cpp KIT FILE: a verdict on a file as one JSON object on stdout; all else goes to stderr.
// Exit codes are those of cad-detect: 0 judged, 2 usage, 3 the file cannot be read, 4 the kit cannot be used, 70 a fault.
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "detector.h"
#include "errors.h"

extern "C" {
#include <libavutil/avutil.h>
#include <libavutil/log.h>
}

namespace {

constexpr const char* usage =
    "usage: cad_detect_cpp [--threads N] KIT FILE\n"
    "       cad_detect_cpp --version\n"
    "  KIT   the folder that export/embedding.py wrote\n"
    "  FILE  a video, a sound or a picture\n";

struct Arguments {
  std::string kit, file;
  int threads = 0;
};

Arguments parse(const std::vector<std::string>& words) {
  const auto fail = [](const std::string& why) { return cad::Error(cad::ExitCode::usage, why); };
  Arguments arguments;
  std::vector<std::string> places;
  bool takes_options = true;
  for (std::size_t index = 0; index < words.size(); ++index) {
    const std::string& word = words[index];
    if (takes_options && word == "--") {
      takes_options = false;
    } else if (takes_options && word == "--threads" && index + 1 < words.size()) {
      const std::string& count = words[++index];
      if (count.empty() || count.size() > 4 || count.find_first_not_of("0123456789") != std::string::npos) throw fail("--threads takes a number, not '" + count + "'");
      arguments.threads = std::stoi(count);
    } else if (takes_options && word.size() > 1 && word.front() == '-') {
      throw fail("there is no option '" + word + "'");
    } else {
      places.push_back(word);
    }
  }
  if (places.size() != 2) throw fail("it takes KIT and FILE; see cad_detect_cpp --help");
  arguments.kit = places[0];
  arguments.file = places[1];
  return arguments;
}

nlohmann::ordered_json number_or_null(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json document(const Arguments& arguments, const cad::Kit& kit, const cad::Answer& answer) {
  nlohmann::ordered_json streams;
  for (const char* stream : {"video", "audio", "sync"}) streams[stream] = number_or_null(answer.verdict.streams.at(stream));
  return {{"schema", "cad.embedded/1"},
          {"file", arguments.file},
          {"kind", cad::name_of(answer.kind)},
          {"label", answer.verdict.label},
          {"probability_fake", number_or_null(answer.verdict.probability_fake)},
          {"streams", streams},
          {"reasons", answer.verdict.reasons},
          {"model", kit.spec.name},
          {"provider", "CPUExecutionProvider"}};
}

int fail(const std::string& text, cad::ExitCode code) {
  std::string line = text;
  for (char& byte : line) {
    if (byte == '\n' || byte == '\r') byte = ' ';
  }
  std::cerr << "cad_detect_cpp: " << line << '\n';
  return static_cast<int>(code);
}

}  // namespace

int main(int count, char** words) {
  std::string file;
  try {
    const std::vector<std::string> given(words + 1, words + count);
    if (given.size() == 1 && (given[0] == "--help" || given[0] == "-h")) {
      std::cout << usage;
      return 0;
    }
    if (given.size() == 1 && given[0] == "--version") {
      std::cout << "cad_detect_cpp, ONNX Runtime " << cad::runtime_version() << ", FFmpeg " << av_version_info() << '\n';
      return 0;
    }
    const Arguments arguments = parse(given);
    av_log_set_level(AV_LOG_QUIET);  // one line of our own says what is wrong
    const cad::Kit kit(arguments.kit);
    cad::Detector detector(kit, arguments.threads);
    file = arguments.file;
    // A name that is no text is shown as near to it as JSON allows.
    std::cout << document(arguments, kit, detector.detect(file)).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
    return std::cout ? 0 : fail("the answer cannot be written", cad::ExitCode::usage);
  } catch (const cad::MediaError& error) {
    return fail(file + ": " + error.what(), error.code());
  } catch (const cad::Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail(file + ": needs more memory than there is", cad::ExitCode::input_failed);
  } catch (const std::exception& error) {
    return fail(file + ": a fault of this program: " + error.what(), cad::ExitCode::fault);
  }
}
