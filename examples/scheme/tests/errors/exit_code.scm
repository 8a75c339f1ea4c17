; expect: ^$
; exit: 7
; output: ^after$
(dynamic-wind
  (lambda () #f)
  (lambda () (exit 7))
  (lambda () (display "after")))
