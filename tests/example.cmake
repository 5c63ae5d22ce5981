# cmake -DPROGRAM=... -DSOURCE=... -DREADME=... -P example.cmake
# The README shows the example as it is compiled, and the output that it has.

file(READ "${README}" readme)
file(READ "${SOURCE}" source)
string(FIND "${readme}" "```cpp\n${source}```" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${README} does not show ${SOURCE} as it is: copy it into the first block of C++ code")
endif()

execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE output RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with ${status}:\n${output}")
endif()
string(FIND "${readme}" "```\n${output}```" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${README} shows another output than that of ${PROGRAM}:\n${output}")
endif()
