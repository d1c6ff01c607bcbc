# SPDX-License-Identifier: Apache-2.0
# mq_test(NAME LABEL unit|integration|model|system SOURCES a.c [LINK targets]
#         [TIMEOUT seconds] [REMOTE]): one cmocka program, run by ctest in a directory
#         of its own.  Further labels: "system;release" measures, so it runs in
#         the release build only; "system;threads" runs under TSan too.

option(MQ_LONG "Run tests at their full sizes" OFF)

function(mq_test name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "REMOTE" "LABEL;TIMEOUT" "SOURCES;LINK")
	add_executable(${name} ${arg_SOURCES})
	target_link_libraries(${name} PRIVATE ${arg_LINK} PkgConfig::CMOCKA)
	set_target_properties(${name} PROPERTIES
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
	add_test(NAME ${name} COMMAND ${name})
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 300)
	endif()
	# as without sanitizers: too much memory asked for is NULL
	set(sanitizers "ASAN_OPTIONS=allocator_may_return_null=1;TSAN_OPTIONS=allocator_may_return_null=1")
	set(long)
	if(MQ_LONG)
		math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 30")
		set(long ";MQ_LONG=1")
	endif()
	set(environment "MQ_BIN=${CMAKE_BINARY_DIR}/bin;MQ_SRC=${CMAKE_SOURCE_DIR};MQ_BUILD=${CMAKE_BINARY_DIR};${sanitizers}${long}")
	set_tests_properties(${name} PROPERTIES
		LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT}
		ENVIRONMENT "${environment}")
	# the same again by TLS (tests/lib/qm.h)
	if(arg_REMOTE)
		add_test(NAME ${name}_remote COMMAND ${name})
		set_tests_properties(${name}_remote PROPERTIES
			LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT}
			ENVIRONMENT "${environment};MQ_TEST_REMOTE=1")
	endif()
endfunction()
