; expect: vector_index.scm:6: error: vector-ref: index out of range: 7
; exit: 1
(define v (vector 1 2 3))
(define (get i)
  (let ((j (+ i 1)))
    (vector-ref v j)))
(display "before")
(newline)
(get 6)
(display "never")
