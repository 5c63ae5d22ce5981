# cmake -DLIBRARY=... -DHEADER=... -DVERSION=0.1 -DNM=... -P tests/c_api/symbols.cmake
# What LIBRARY shows is what HEADER declares, no more and no less, each under the symbol version RAGTIME_${VERSION}.

string(REPLACE "." "\\." version "RAGTIME_${VERSION}")
file(READ ${HEADER} header)
string(REGEX MATCHALL "RAGTIME_API[^(;]*[ *](ragtime_[a-z0-9_]+)\\(" declarations "${header}")
foreach(declaration IN LISTS declarations)
  string(REGEX REPLACE ".*[ *](ragtime_[a-z0-9_]+)\\($" "\\1" name "${declaration}")
  list(APPEND declared "${name}")
endforeach()

execute_process(COMMAND ${NM} --dynamic --defined-only --with-symbol-versions ${LIBRARY} OUTPUT_VARIABLE symbols
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
foreach(line IN LISTS lines)
  if(line MATCHES " A ${version}(@|$)")
    continue()  # the version itself
  elseif(line MATCHES " T (.*)@@${version}$")
    list(APPEND shown "${CMAKE_MATCH_1}")
  else()
    list(APPEND strangers "${line}")
  endif()
endforeach()
if(strangers)
  message(FATAL_ERROR "shown besides versioned functions: ${strangers}")
endif()
list(LENGTH declared count)
list(SORT declared)
list(SORT shown)
if(count LESS 10 OR NOT declared STREQUAL shown)
  message(FATAL_ERROR "declared: ${declared}\nshown: ${shown}")
endif()
message(STATUS "${count} functions declared and shown")
