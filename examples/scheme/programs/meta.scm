; A Scheme interpreter written in Scheme, running programs given as data: Fibonacci numbers, a merge
; sort of pseudo-random numbers, and mutual recursion. Environments are lists of frames, a frame is a
; pair of names and values, procedures are records; everything the inner programs do allocates.
; usage: meta.scm [n]     default 16: (fib n), and sorting 10 n numbers
; The results are compared with those of the same computations done directly.

(import (scheme base) (scheme cxr) (scheme write) (scheme process-context))

; ---- environments ----

(define (make-frame names values) (cons names values))

(define (extend environment names values)
  (cons (bind-all names values) environment))

; A rest parameter takes what is left.
(define (bind-all names values)
  (let loop ((names names) (values values) (ns '()) (vs '()))
    (cond ((null? names)
           (if (pair? values) (error "too many arguments") (make-frame ns vs)))
          ((symbol? names) (make-frame (cons names ns) (cons values vs)))
          ((null? values) (error "too few arguments"))
          (else (loop (cdr names) (cdr values) (cons (car names) ns) (cons (car values) vs))))))

; The pair whose car is the variable's value, or #f.
(define (find-variable name environment)
  (if (null? environment)
      #f
      (let loop ((names (caar environment)) (values (cdar environment)))
        (cond ((null? names) (find-variable name (cdr environment)))
              ((eq? name (car names)) values)
              (else (loop (cdr names) (cdr values)))))))

(define (lookup name environment)
  (let ((place (find-variable name environment)))
    (if place (car place) (error "unbound variable:" name))))

(define (assign! name value environment)
  (let ((place (find-variable name environment)))
    (if place (set-car! place value) (error "unbound variable:" name))))

(define (define! name value environment)
  (let ((frame (car environment)))
    (set-car! frame (cons name (car frame)))
    (set-cdr! frame (cons value (cdr frame)))))

; ---- evaluation ----

(define-record-type procedure
  (make-procedure parameters body environment)
  compound?
  (parameters procedure-parameters)
  (body procedure-body)
  (environment procedure-environment))

(define (evaluate expression environment)
  (cond ((symbol? expression) (lookup expression environment))
        ((not (pair? expression)) expression)
        (else
         (case (car expression)
           ((quote) (cadr expression))
           ((if)
            (cond ((evaluate (cadr expression) environment)
                   (evaluate (caddr expression) environment))
                  ((pair? (cdddr expression)) (evaluate (cadddr expression) environment))
                  (else #f)))
           ((lambda) (make-procedure (cadr expression) (cddr expression) environment))
           ((define)
            (if (pair? (cadr expression))
                (define! (caadr expression)
                         (make-procedure (cdadr expression) (cddr expression) environment)
                         environment)
                (define! (cadr expression)
                         (evaluate (caddr expression) environment)
                         environment)))
           ((set!)
            (assign! (cadr expression) (evaluate (caddr expression) environment) environment))
           ((begin) (evaluate-body (cdr expression) environment))
           ((let)
            (evaluate-body (cddr expression)
                           (extend environment
                                   (map car (cadr expression))
                                   (map (lambda (binding) (evaluate (cadr binding) environment))
                                        (cadr expression)))))
           ((cond) (evaluate-clauses (cdr expression) environment))
           ((and) (evaluate-and (cdr expression) environment))
           (else
            (apply-procedure (evaluate (car expression) environment)
                             (map (lambda (operand) (evaluate operand environment))
                                  (cdr expression))))))))

(define (evaluate-body body environment)
  (cond ((null? (cdr body)) (evaluate (car body) environment))
        (else
         (evaluate (car body) environment)
         (evaluate-body (cdr body) environment))))

(define (evaluate-clauses clauses environment)
  (cond ((null? clauses) #f)
        ((or (eq? (caar clauses) 'else) (evaluate (caar clauses) environment))
         (evaluate-body (cdar clauses) environment))
        (else (evaluate-clauses (cdr clauses) environment))))

(define (evaluate-and tests environment)
  (cond ((null? tests) #t)
        ((null? (cdr tests)) (evaluate (car tests) environment))
        ((evaluate (car tests) environment) (evaluate-and (cdr tests) environment))
        (else #f)))

(define (apply-procedure procedure arguments)
  (if (compound? procedure)
      (evaluate-body (procedure-body procedure)
                     (extend (procedure-environment procedure)
                             (procedure-parameters procedure)
                             arguments))
      (apply procedure arguments)))

(define (initial-environment)
  (let ((primitives
         (list (cons '+ +) (cons '- -) (cons '* *) (cons '< <) (cons '= =)
               (cons 'quotient quotient) (cons 'remainder remainder)
               (cons 'cons cons) (cons 'car car) (cons 'cdr cdr) (cons 'list list)
               (cons 'null? null?) (cons 'not not))))
    (list (make-frame (map car primitives) (map cdr primitives)))))

; ---- the programs that it runs ----

(define library
  '((define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
    (define (even? n) (if (= n 0) 1 (odd? (- n 1))))
    (define (odd? n) (if (= n 0) 0 (even? (- n 1))))
    (define (numbers n seed)
      (if (= n 0)
          '()
          (cons seed (numbers (- n 1) (remainder (+ (* seed 1103515245) 12345) 2147483648)))))
    (define (merge a b)
      (cond ((null? a) b)
            ((null? b) a)
            ((< (car b) (car a)) (cons (car b) (merge a (cdr b))))
            (else (cons (car a) (merge (cdr a) b)))))
    (define (split list left right)
      (if (null? list)
          (cons left right)
          (split (cdr list) right (cons (car list) left))))
    (define (sort list)
      (if (if (null? list) #t (null? (cdr list)))
          list
          (let ((halves (split list '() '())))
            (merge (sort (car halves)) (sort (cdr halves))))))
    (define (make-counter)
      (let ((count 0))
        (lambda () (set! count (+ count 1)) count)))
    (define counter (make-counter))
    (define (count-to n) (if (< (counter) n) (count-to n) 'done))))

; ---- the same, directly ----

(define (fib n)
  (let loop ((a 0) (b 1) (k n)) (if (= k 0) a (loop b (+ a b) (- k 1)))))

(define (sum-of-numbers n seed)
  (if (= n 0)
      0
      (+ seed (sum-of-numbers (- n 1) (remainder (+ (* seed 1103515245) 12345) 2147483648)))))

(define (ascending? list)
  (or (null? list)
      (null? (cdr list))
      (and (<= (car list) (cadr list)) (ascending? (cdr list)))))

(define (check what found expected)
  (display what)
  (display ": ")
  (display found)
  (newline)
  (if (not (equal? found expected))
      (begin
        (display "FAIL: should be ")
        (display expected)
        (newline)
        (exit 1))))

(define (main n)
  (let ((environment (initial-environment))
        (count (* 10 n)))
    (for-each (lambda (definition) (evaluate definition environment)) library)
    (check "fib" (evaluate (list 'fib n) environment) (fib n))
    (check "even" (evaluate (list 'even? count) environment) (if (even? count) 1 0))
    (let ((sorted (evaluate (list 'sort (list 'numbers count 42)) environment)))
      (check "sorted" (ascending? sorted) #t)
      (check "sum" (apply + sorted) (sum-of-numbers count 42)))
    (check "counter" (evaluate (list 'begin (list 'count-to count) '(counter)) environment)
           (+ count 1))))

(let ((args (cdr (command-line))))
  (main (if (pair? args) (string->number (car args)) 16)))
