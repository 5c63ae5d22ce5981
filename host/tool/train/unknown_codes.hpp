#pragma once

// Codes that training sees too little of. Rare codes become [UNK], and some codes of every training batch do,
// so that [UNK] learns what a code means of which nothing is known.

#include <cstdint>
#include <span>
#include <vector>

#include "host/tool/train/tasks.hpp"
#include "ragtime/model_directory.hpp"

namespace ragtime {

inline constexpr std::int32_t padding_id = 0, unknown_id = 1;  // of Vocabulary::from_codes

struct TrainingVocabulary {
  Vocabulary vocabulary;
  std::int64_t rare_codes = 0;  // how many codes min_code_count keeps out of it
};

// The codes in the inputs of the training examples (of next_visit and survival, in the records of their
// patients), in string order, without those that fewer than min_code_count patients have there, and without
// the excluded ones. Throws Error(invalid_argument) when min_code_count leaves none.
TrainingVocabulary training_vocabulary(const Cohort& cohort, const ExampleSet& examples,
                                       std::span<const std::int32_t> training, std::int64_t min_code_count,
                                       const CodePatterns& excluded = {});

// [vocab_size] whether the id is in the input of one of these examples.
std::vector<bool> input_ids(const EncodedCohort& encoded, const ExampleSet& examples,
                            std::span<const std::int32_t> indices, std::int64_t vocab_size);

// Which codes of a training batch become [UNK]: each with this probability, drawn from seed, epoch, sequence
// id, visit and code, so that neither the batch's other patients nor a resumed run changes it.
struct CodeDropout {
  double probability = 0;  // in [0, 1)
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
};

// The ids of a visit stay distinct and ascending. Only for a batch without code_weights.
void drop_codes(RaggedBatch& batch, const CodeDropout& dropout);

}  // namespace ragtime
