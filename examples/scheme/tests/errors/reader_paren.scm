; expect: reader_paren.scm:5:1: error: end of input inside a list
; exit: 1
(define (f x)
  (+ x 1
