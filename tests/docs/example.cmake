# cmake "-DCOMMAND=program|argument|..." -DSOURCE=... -DPAGE=... -DFENCE=... -P example.cmake
# The page shows the example as it is run, in a block of that language, and the output that it has.

string(REPLACE "|" ";" COMMAND "${COMMAND}")
file(READ "${PAGE}" page)
file(READ "${SOURCE}" source)
string(FIND "${page}" "```${FENCE}\n${source}```" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${PAGE} does not show ${SOURCE} as it is: copy it into a block of ${FENCE} code")
endif()

if(FENCE STREQUAL "python")
  list(GET COMMAND 0 python)
  execute_process(COMMAND "${python}" -c "import numpy, torch" RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(NOT status EQUAL 0)
    message("skipped: ${python} has no PyTorch with NumPy")
    return()
  endif()
endif()

execute_process(COMMAND ${COMMAND} OUTPUT_VARIABLE output RESULT_VARIABLE status)
list(JOIN COMMAND " " command)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${command} ended with ${status}:\n${output}")
endif()
string(FIND "${page}" "```\n${output}```" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${PAGE} shows another output than that of ${command}:\n${output}")
endif()
