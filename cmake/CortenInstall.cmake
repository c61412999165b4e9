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
    # The manual page and the completions for shells are printed by the program itself.
    function(corten_install_help file folder)
        add_custom_command(OUTPUT help/${file}
            COMMAND ${CMAKE_COMMAND} -E make_directory help
            COMMAND corten_cli help ${ARGN} > help/${file} DEPENDS corten_cli VERBATIM)
        set(help_files ${help_files} ${CMAKE_CURRENT_BINARY_DIR}/help/${file} PARENT_SCOPE)
        install(FILES ${CMAKE_CURRENT_BINARY_DIR}/help/${file}
            DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder})
    endfunction()
    corten_install_help(corten.1 man/man1 --man)
    corten_install_help(corten bash-completion/completions --completion bash)
    corten_install_help(_corten zsh/site-functions --completion zsh)
    corten_install_help(corten.fish fish/vendor_completions.d --completion fish)
    add_custom_target(corten_help ALL DEPENDS ${help_files})
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
