// Whose data a fault is in: the sequence of every kind of position; and a run that meets one names epoch and batch in its
// error, and the patient to the observer alone.

#include "host/tool/train/fault_position.hpp"

#include <gmock/gmock.h>

#include "tests/support/temporary_folder.hpp"
#include "tests/tool/train/support.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(FaultPosition, IsTheSequenceThatHasIt) {
  // Three patients with 2, 1 and 2 visits, which have 1, 0, 2, 1, 1 codes.
  const RaggedBatch batch = RaggedBatch::from_patients(std::vector<PatientVisits>{{{1}, {}}, {{1, 2}}, {{3}, {1}}});
  ModelConfig config;
  config.task = Task::next_visit;
  config.output_dim = 4;
  const auto found = [&](Fault fault, std::uint64_t position) {
    return sequence_of(FaultError(fault, position, "a fault"), batch, config);
  };
  const std::optional<std::int32_t> nothing;
  EXPECT_EQ(found(Fault::code_out_of_range, 0), 0);
  EXPECT_EQ(found(Fault::code_out_of_range, 1), 1);  // behind an empty visit
  EXPECT_EQ(found(Fault::bad_code_weight, 2), 1);
  EXPECT_EQ(found(Fault::bad_code_weight, 4), 2);
  EXPECT_EQ(found(Fault::code_out_of_range, 5), nothing);
  EXPECT_EQ(found(Fault::label_out_of_range, 1), 0);
  EXPECT_EQ(found(Fault::label_out_of_range, 2), 1);
  EXPECT_EQ(found(Fault::bad_target, 4 * 3), 2);
  EXPECT_EQ(found(Fault::bad_target, 4 * 3 - 1), 1);
  EXPECT_EQ(found(Fault::bad_row_weight, 4), 2);
  EXPECT_EQ(found(Fault::bad_row_weight, 5), nothing);
  EXPECT_EQ(found(Fault::beyond_capacity, 1), nothing);
  config.task = Task::multi_class;
  EXPECT_EQ(found(Fault::label_out_of_range, 2), 2);
  EXPECT_EQ(found(Fault::label_out_of_range, 3), nothing);
  config.task = Task::survival;
  EXPECT_EQ(found(Fault::bad_event_time, 1), 1);
  EXPECT_EQ(found(Fault::bad_row_weight, 2), 2);
}

struct Listener : TrainObserver {
  void on_fault(const std::string& patient) override { patients.push_back(patient); }
  std::vector<std::string> patients;
};

TEST(FaultPosition, ATrainingRunNamesEpochAndBatch) {
  const TemporaryFolder folder;
  TrainOptions options = small_run(folder.path(), Task::multi_class);
  const auto data = small_data(options);
  // A class that is none, as no label file gives it, of a patient who trains.
  const std::int32_t spoilt = data->split.training[3];
  data->examples.examples[spoilt].label = 99;
  Trainer trainer(make_backend("cpu"), *data, options);
  Listener listener;
  try {
    trainer.run(listener);
    ADD_FAILURE() << "no error";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.code(), ErrorCode::out_of_range);
    EXPECT_THAT(problem.what(), HasSubstr("epoch 1, batch "));
    EXPECT_THAT(problem.what(), HasSubstr("a label is not a class, at row "));
    EXPECT_THAT(problem.what(), Not(HasSubstr(listener.patients.empty() ? "?" : listener.patients[0])));
  }
  const std::string& expected = data->cohort.patient_ids[data->examples.examples[spoilt].patient];
  EXPECT_EQ(listener.patients, std::vector<std::string>{expected});
}

}  // namespace
}  // namespace ragtime::test
