# Dumps the workloads and runs the peers in PyTorch over the smallest.
set(workloads ${FOLDER}/workloads.json)
execute_process(COMMAND ${DUMP} OUTPUT_FILE ${workloads} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${DUMP} failed: ${failed}")
endif()
execute_process(COMMAND ${PYTHON} ${SCRIPT} --workloads ${workloads} --device cpu --filter /tiny/ --seconds 0.01
                        --out ${FOLDER}/gpu_torch.jsonl
                RESULT_VARIABLE failed)
if(failed AND NOT failed EQUAL 77)
  message(FATAL_ERROR "${SCRIPT} failed: ${failed}")
endif()
