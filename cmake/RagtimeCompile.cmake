# Warnings and sanitizers, for every target of this project and for none of a user's.

add_library(ragtime_compile INTERFACE)
target_compile_options(ragtime_compile INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${RAGTIME_WARNINGS_AS_ERRORS}>>:-Werror>)
foreach(sanitizer IN LISTS RAGTIME_SANITIZE)
  target_compile_options(ragtime_compile INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${sanitizer}>)
  target_link_options(ragtime_compile INTERFACE -fsanitize=${sanitizer})
  if(sanitizer STREQUAL "undefined")
    target_compile_options(ragtime_compile INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined>)
  endif()
endforeach()
