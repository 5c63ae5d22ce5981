#pragma once

// A model on disk, interchangeable with PyTorch: config.json, model.safetensors, vocabulary.txt and, when
// ragtime trained it, training.json. Every file is written beside its place and renamed, so a directory never
// holds half a file.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ragtime/visit_lstm.hpp"

namespace ragtime {

// Codes and their ids. [PAD] is 0; [UNK], where there is one, stands for every code that is not listed.
class Vocabulary {
 public:
  static constexpr std::string_view padding = "[PAD]";  // the code of id 0
  static constexpr std::string_view unknown = "[UNK]";  // the code that stands for unlisted ones

  // [PAD] 0, [UNK] 1, then the codes in the order given. Throws Error(invalid_argument) on a code that is
  // there twice, is empty or has control characters.
  static Vocabulary from_codes(const std::vector<std::string>& codes);
  // Reads a file of one code<TAB>id a line, ids 0..V-1 each once, in any order. Throws Error(io_error)
  // where it cannot be read, Error(parse_error) with file and line.
  static Vocabulary read(const std::filesystem::path& file);
  // Writes a file that read reads. Throws Error(io_error).
  void write(const std::filesystem::path& file) const;

  std::int32_t size() const { return static_cast<std::int32_t>(codes_.size()); }  // V
  const std::string& code(std::int32_t id) const { return codes_[id]; }           // of an id in [0, V)
  std::int32_t find(std::string_view code) const;  // the id of a code, -1 when not listed
  // The id of a code, that of [UNK] when not listed, -1 when there is no [UNK] either.
  std::int32_t map(std::string_view code) const;

 private:
  std::vector<std::string> codes_;  // by id
  std::unordered_map<std::string, std::int32_t> ids_;
};

// Reads a file config.json: the keys of ModelConfig by their names. vocab_size must be there; what else is
// left out takes the default of ModelConfig, as in the constructor of the reference model. Throws
// Error(io_error) where it cannot be read, Error(parse_error) on any other key and on a value of another
// type, and as validate.
ModelConfig read_config(const std::filesystem::path& file);
// Writes a file that read_config reads. Throws Error(io_error), and as validate.
void write_config(const std::filesystem::path& file, const ModelConfig& config);

// Reads F32, F64, F16 or BF16 tensors from a safetensors file into the model's parameters. Every parameter
// must be there in its shape and nothing else may be, else Error(shape_mismatch), finite and in the range of
// the model's dtype, else Error(out_of_range). Throws Error(io_error) where the file cannot be read,
// Error(parse_error) where it is not of the format. On any Error the model is as it was.
void load_parameters(const std::filesystem::path& file, VisitLstm& model);
// Writes them to a file as F32, or F64 for a model in f64. Throws Error(io_error).
void save_parameters(const std::filesystem::path& file, const VisitLstm& model);
// The same, to a file, with other values, as F32: of a model that is trained in bf16, the ones its optimizer
// adds up in. values [model.parameter_count()], laid out as model.parameters() says, else
// Error(shape_mismatch).
void save_parameters(const std::filesystem::path& file, const VisitLstm& model,
                     std::span<const float> values);

// The model of a folder, on the backend and in the dtype (and tf32) given: config.json and
// model.safetensors, which must agree before memory is taken for the parameters, so that a config.json that
// asks for too much is refused. Throws as read_config, load_parameters and VisitLstm do.
VisitLstm read_model(const std::filesystem::path& folder, std::shared_ptr<Backend> backend,
                     DType dtype = DType::f32, bool tf32 = false);

}  // namespace ragtime
