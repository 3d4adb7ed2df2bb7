include(GNUInstallDirs)
set_target_properties(m2mkd m2mkd-pack PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS m2mkd m2mkd-pack RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs slurm DESTINATION ${CMAKE_INSTALL_DATADIR}/m2mkd)
