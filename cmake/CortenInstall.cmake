# Installation: headers, both libraries, the command line, corten.pc and the CMake package.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/corten)

install(DIRECTORY include/corten DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS corten_shared corten_static EXPORT corten
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET corten_image)
    install(TARGETS corten_image LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET corten_cli)
    install(TARGETS corten_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/corten.pc.in corten.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/corten.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(EXPORT corten NAMESPACE corten:: FILE corten-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/corten-config.cmake.in corten-config.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(corten-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/corten-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/corten-config-version.cmake
        DESTINATION ${package_dir})
