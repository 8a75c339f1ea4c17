; expect: overflow.scm:[34]: error: stack overflow
; exit: 1
(define (loop n) (+ 1 (loop (+ n 1))))
(loop 0)
