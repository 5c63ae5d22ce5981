# Run by CPack before it packs: into a source archive go the files that git tracks, as they are in the working tree.

if(CPACK_INSTALL_CMAKE_PROJECTS)
  return()  # packs what is installed
endif()
set(source ${CPACK_RAGTIME_SOURCE_DIR})
execute_process(COMMAND git -C ${source} -c core.quotePath=false ls-files OUTPUT_VARIABLE files ERROR_VARIABLE error
                RESULT_VARIABLE status)
if(NOT status EQUAL 0 OR files STREQUAL "")
  message(FATAL_ERROR "A source archive is made of what git tracks, and git names nothing in ${source}: ${error}")
endif()
string(REGEX REPLACE "\n$" "" files "${files}")
string(REPLACE "\n" ";" files "${files}")
foreach(file IN LISTS files)
  cmake_path(GET file PARENT_PATH folder)
  file(COPY ${source}/${file} DESTINATION ${CMAKE_INSTALL_PREFIX}/${folder})
endforeach()
