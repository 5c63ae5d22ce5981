// A CSV file in the manner of MEDS (the Medical Event Data Standard): subject_id,time,code. It knows of no
// encounters, so a visit is one day of a subject, or one time. Other columns are left alone.

#include <array>

#include "host/tool/data/event_table.hpp"

namespace ragtime {
namespace {

constexpr std::array<std::string_view, 1> time_columns = {"time"};
constexpr EventColumns columns = {
    .patient = "subject_id", .encounter = {}, .time = time_columns, .code = "code", .static_rows = true};

}  // namespace

void read_meds(const std::filesystem::path& file, const ReadOptions& options, CohortBuilder& builder,
               ReadReport& report) {
  read_event_table(file, columns, options, builder, report);
}

}  // namespace ragtime
