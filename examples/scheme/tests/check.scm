; Included by the tests of this folder. (check expression => expected) compares with equal?,
; (check-error expression) demands that an error is raised; (finish) prints the counts and ends the
; program, with status 1 when something failed.

(define passed 0)
(define failed 0)

(define (check-value expression found expected)
  (if (equal? found expected)
      (set! passed (+ passed 1))
      (begin
        (set! failed (+ failed 1))
        (display "FAIL ")
        (write expression)
        (display " gave ")
        (write found)
        (display ", should be ")
        (write expected)
        (newline))))

(define-syntax check
  (syntax-rules (=>)
    ((_ expression => expected)
     (check-value 'expression
                  (guard (e ((error-object? e) (list 'error (error-object-message e)))
                            (else (list 'raised e)))
                    expression)
                  expected))))

(define-syntax check-error
  (syntax-rules ()
    ((_ expression)
     (check-value 'expression (guard (e (#t 'error)) (list 'returned expression)) 'error))))

; As (check expression => #t), for float results that may differ in the last digits.
(define (close? a b) (<= (abs (- a b)) (* 1e-12 (max 1.0 (abs a) (abs b)))))

(define (finish)
  (display "PASS ")
  (display passed)
  (display " FAIL ")
  (display failed)
  (newline)
  (exit (if (= failed 0) 0 1)))
