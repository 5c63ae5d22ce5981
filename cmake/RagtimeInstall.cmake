# cmake --install: headers, libraries, tool, and what find_package(ragtime) and pkg-config read.

# Two sets, since they need different things: the archive what it links, the shared library nothing.
install(TARGETS ragtime EXPORT ragtime-archive)
install(TARGETS ragtime_shared EXPORT ragtime-shared)
install(DIRECTORY include/ragtime DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET ragtime_tool)
  install(TARGETS ragtime_tool)
endif()

set(components cpu)
if(RAGTIME_CUDA_ENABLED)
  list(APPEND components cuda)
  find_package(CUDAToolkit REQUIRED)  # for its version and where it is
endif()

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ragtime)
install(EXPORT ragtime-archive NAMESPACE ragtime:: DESTINATION ${config_dir})
install(EXPORT ragtime-shared NAMESPACE ragtime:: DESTINATION ${config_dir})
configure_package_config_file(cmake/ragtime-config.cmake.in ragtime-config.cmake INSTALL_DESTINATION ${config_dir}
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(ragtime-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ragtime-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/ragtime-config-version.cmake
        DESTINATION ${config_dir})

# pkg-config. Nothing but the CUDA Toolkit is named by where it is on this machine.
set(pkgconfig_dir ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_libdir ${pkgconfig_dir} ${CMAKE_INSTALL_FULL_LIBDIR})
string(REGEX REPLACE "/$" "" pc_libdir ${pc_libdir})
file(RELATIVE_PATH pc_includedir ${pkgconfig_dir} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
list(JOIN components " " pc_components)
set(pc_archive_libs "")
foreach(library stdc++ c++ m)  # of the C++ runtime, which a C compiler does not link by itself
  if(library IN_LIST CMAKE_CXX_IMPLICIT_LINK_LIBRARIES)
    string(APPEND pc_archive_libs " -l${library}")
  endif()
endforeach()
set(pc_cuda_variable "")
if(RAGTIME_CUDA_ENABLED)
  set(pc_cuda_variable "cuda_libdir=${CUDAToolkit_LIBRARY_DIR}\n")
  string(PREPEND pc_archive_libs " -L\${cuda_libdir} -lcudart_static -lrt -ldl")
endif()
foreach(module ragtime ragtime-static)
  configure_file(cmake/${module}.pc.in ${module}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${module}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
