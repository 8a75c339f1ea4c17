# Types SESSION.in into the interpreter and compares both outputs.
#   cmake -DSCHEME=... -DSESSION=... -P run_repl.cmake
execute_process(COMMAND "${SCHEME}" INPUT_FILE "${SESSION}.in" OUTPUT_VARIABLE output
                ERROR_VARIABLE errors RESULT_VARIABLE result)
file(READ "${SESSION}.out" expected_output)
file(READ "${SESSION}.err" expected_errors)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "ended with ${result}")
endif()
if(NOT output STREQUAL expected_output)
  message(FATAL_ERROR "printed\n${output}\ninstead of\n${expected_output}")
endif()
if(NOT errors STREQUAL expected_errors)
  message(FATAL_ERROR "reported\n${errors}\ninstead of\n${expected_errors}")
endif()
