; expect: unbound.scm:4: error: unbound variable: nowhere
; exit: 1
(define (f x)
  (+ x nowhere))
(display (f 1))
