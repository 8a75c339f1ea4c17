# What ports hold back when a program ends: it is written, and when it cannot be, that is reported.
#   cmake -DSCHEME=... -DPROGRAM=open_ports.scm -P run_ports.cmake
function(expect_file name text)
  file(READ "${name}" found)
  if(NOT found STREQUAL text)
    message(FATAL_ERROR "${name} holds\n${found}\ninstead of\n${text}")
  endif()
endfunction()

function(run how code)
  file(GLOB old "${how}.*.tmp")
  if(old)
    file(REMOVE ${old})
  endif()
  execute_process(COMMAND "${SCHEME}" "${PROGRAM}" ${how} OUTPUT_VARIABLE output
                  ERROR_VARIABLE errors RESULT_VARIABLE result)
  if(NOT result STREQUAL code OR NOT output STREQUAL "on standard output\n")
    message(FATAL_ERROR "${how} ended with ${result}\n${output}\n${errors}")
  endif()
  expect_file("${how}.first.tmp" "in the first\n")
  expect_file("${how}.second.tmp" "in the second\nappended\n")
  expect_file("${how}.closed.tmp" "closed\n")
endfunction()

run(end 0)
run(exit 3)
run(emergency 4)
run(error 1)
run(inside 0)
expect_file("inside.third.tmp" "inside")

# A device that is full. The last argument is what is typed.
function(expect_lost output_file expect code typed)
  file(WRITE "typed.tmp" "${typed}")
  if(output_file)
    set(to OUTPUT_FILE "${output_file}")
  else()
    set(to OUTPUT_QUIET)
  endif()
  execute_process(COMMAND "${SCHEME}" ${ARGN} INPUT_FILE "typed.tmp" ${to}
                  ERROR_VARIABLE errors RESULT_VARIABLE result)
  if(NOT result STREQUAL code OR NOT errors MATCHES "${expect}")
    message(FATAL_ERROR "${ARGN} ended with ${result}\n${errors}\ninstead of ${expect}")
  endif()
endfunction()

if(EXISTS "/dev/full")
  set(lost "^scheme: cannot write: [^\n]*: standard output\n$")
  expect_lost("/dev/full" "${lost}" 1 "" -e "(display 1)")
  expect_lost("/dev/full" "${lost}" 1 "" -e "(+ 1 1)")
  expect_lost("/dev/full" "${lost}" 1 "(+ 1 1)\n")
  expect_lost("/dev/full" "${lost}" 1 "x\n" -e "(begin (display 1) (read-line) (if #f #f))")
  expect_lost("/dev/full" "${lost}" 7 "" -e "(begin (display 1) (exit 7))")
  expect_lost("/dev/full" "error: flush-output-port: cannot write: .*standard output" 1 ""
              -e "(begin (display 1) (flush-output-port))")
  expect_lost("" "^scheme: cannot write: [^\n]*: /dev/full\n$" 1 ""
              -e "(begin (display 1 (open-output-file \"/dev/full\")) (if #f #f))")
  # The program has seen the failure.
  expect_lost("" "^$" 0 "" -e
              "(guard (e ((file-error? e) (if #f #f))) (let ((p (open-output-file \"/dev/full\"))) (display 1 p) (close-port p)))")
endif()
