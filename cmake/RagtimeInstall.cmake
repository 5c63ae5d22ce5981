# cmake --install: headers, libraries, tool, and what find_package(ragtime) reads.

install(TARGETS ragtime ragtime_shared EXPORT ragtime-targets)
install(DIRECTORY include/ragtime DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET ragtime_tool)
  install(TARGETS ragtime_tool)
endif()

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ragtime)
install(EXPORT ragtime-targets NAMESPACE ragtime:: DESTINATION ${config_dir})
configure_package_config_file(cmake/ragtime-config.cmake.in ragtime-config.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(ragtime-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ragtime-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/ragtime-config-version.cmake
        DESTINATION ${config_dir})
