# cmake --build BUILD --target package_source: ragtime-VERSION.tar.gz of what git tracks.

set(CPACK_GENERATOR TGZ)  # of `cpack` itself, which packs what is installed
set(CPACK_SOURCE_GENERATOR TGZ)
set(CPACK_SOURCE_PACKAGE_FILE_NAME ragtime-${PROJECT_VERSION})
# CPack would take the whole folder but for patterns of what to leave out; git knows what belongs to the sources.
set(CPACK_SOURCE_INSTALLED_DIRECTORIES "")
set(CPACK_INSTALL_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/copy_sources.cmake)
set(CPACK_RAGTIME_SOURCE_DIR ${PROJECT_SOURCE_DIR})
include(CPack)
