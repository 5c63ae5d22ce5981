# Warnings and sanitizers, for every target of this project and for none of a user's.

add_library(ragtime_compile INTERFACE)
target_compile_options(ragtime_compile INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${RAGTIME_WARNINGS_AS_ERRORS}>>:-Werror>)
# GCC 12 sees overlapping copies inside std::string that are not there (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(ragtime_compile INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
foreach(sanitizer IN LISTS RAGTIME_SANITIZE)
  target_compile_options(ragtime_compile INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${sanitizer}>)
  target_link_options(ragtime_compile INTERFACE -fsanitize=${sanitizer})
  if(sanitizer STREQUAL "undefined")
    target_compile_options(ragtime_compile INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined>)
  endif()
endforeach()
