# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0

# What an installation consists of. Nothing is put into /etc: the example is no configuration that works, and
# a configuration that does is not replaced.
include(GNUInstallDirs)

# civetweb finds the shims by the names that these programs have loaded (web/openssl3_shim).
set_target_properties(symbolon symbolon-hsm PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/symbolon")
install(TARGETS symbolon symbolon-hsm RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})

file(GLOB manuals appliance/*.8 hsm-setup/*.8)
install(FILES ${manuals} DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES config/symbolon.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES config/symbolon.conf.example DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The unit is complete as it stands in the source, for /usr; it is adapted to another prefix.
file(READ appliance/symbolon.service unit)
string(REPLACE "/usr/sbin/" "${CMAKE_INSTALL_FULL_SBINDIR}/" unit "${unit}")
file(CONFIGURE OUTPUT symbolon.service CONTENT "${unit}" @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/symbolon.service DESTINATION lib/systemd/system)
install(FILES appliance/symbolon.sysusers DESTINATION lib/sysusers.d RENAME symbolon.conf)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS appliance/symbolon.service)
