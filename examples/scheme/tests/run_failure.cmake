# Runs a program that fails.   cmake -DSCHEME=... -DPROGRAM=... -P run_failure.cmake
# Its first two lines are "; expect: REGEX" for standard error and "; exit: CODE".
file(STRINGS "${PROGRAM}" lines LIMIT_COUNT 2)
list(GET lines 0 expect)
list(GET lines 1 exit)
string(REPLACE "; expect: " "" expect "${expect}")
string(REPLACE "; exit: " "" exit "${exit}")
execute_process(COMMAND "${SCHEME}" "${PROGRAM}" OUTPUT_VARIABLE output ERROR_VARIABLE errors
                RESULT_VARIABLE result)
if(NOT result STREQUAL exit)
  message(FATAL_ERROR "ended with ${result} instead of ${exit}\n${output}\n${errors}")
endif()
if(output MATCHES "never")
  message(FATAL_ERROR "went on after the error:\n${output}")
endif()
if(NOT errors MATCHES "${expect}")
  message(FATAL_ERROR "standard error was\n${errors}\ninstead of\n${expect}")
endif()
