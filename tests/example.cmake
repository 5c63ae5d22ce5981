# cmake -DPROGRAM=... [-DARGUMENT=...] -DSOURCE=... -DPAGE=... -DLANGUAGE=cpp -P example.cmake
# The page shows the example as it is run, and the output that it has.

file(READ "${PAGE}" page)
file(READ "${SOURCE}" source)
string(FIND "${page}" "```${LANGUAGE}\n${source}```" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${PAGE} does not show ${SOURCE} as it is: copy it into a block of ${LANGUAGE} code")
endif()

if(LANGUAGE STREQUAL "python")
  execute_process(COMMAND "${PROGRAM}" -c "import torch" RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(NOT status EQUAL 0)
    message("skipped: ${PROGRAM} has no PyTorch")
    return()
  endif()
endif()

execute_process(COMMAND "${PROGRAM}" ${ARGUMENT} OUTPUT_VARIABLE output RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ${ARGUMENT} ended with ${status}:\n${output}")
endif()
string(FIND "${page}" "```\n${output}```" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${PAGE} shows another output than that of ${PROGRAM} ${ARGUMENT}:\n${output}")
endif()
