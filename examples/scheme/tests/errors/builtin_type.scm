; expect: builtin_type.scm:4: error: string-append: not a string: 5
; exit: 1
(define (f x)
  (string-append "a" x))
(f 5)
