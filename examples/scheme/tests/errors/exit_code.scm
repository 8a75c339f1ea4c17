; expect: ^$
; exit: 7
(dynamic-wind
  (lambda () #f)
  (lambda () (exit 7))
  (lambda () (display "after")))
