; syntax-rules: patterns, ellipsis, hygiene, scopes.
(import (scheme base) (scheme write) (scheme process-context))
(include "check.scm")

(define-syntax swap!
  (syntax-rules () ((_ a b) (let ((tmp a)) (set! a b) (set! b tmp)))))
(check (let ((tmp 1) (other 2)) (swap! tmp other) (list tmp other)) => '(2 1))

(define-syntax my-or
  (syntax-rules () ((_) #f) ((_ e) e) ((_ e r ...) (let ((t e)) (if t t (my-or r ...))))))
(check (let ((t 5)) (my-or #f t)) => 5)
(check (let ((if list)) (my-or #f 7)) => 7)

(define-syntax while
  (syntax-rules () ((_ test body ...) (let loop () (when test body ... (loop))))))
(check (let ((i 0) (loop 'mine)) (while (< i 5) (set! i (+ i 1))) (list i loop)) => '(5 mine))

(define-syntax my-let
  (syntax-rules ()
    ((_ ((name value) ...) body ...) ((lambda (name ...) body ...) value ...))
    ((_ tag ((name value) ...) body ...) ((letrec ((tag (lambda (name ...) body ...))) tag) value ...))))
(check (my-let ((a 1) (b 2)) (+ a b)) => 3)
(check (my-let go ((n 5) (acc 1)) (if (= n 0) acc (go (- n 1) (* acc n)))) => 120)

; literals
(define-syntax my-if
  (syntax-rules (then else) ((_ c then t else e) (if c t e)) ((_ . rest) 'bad)))
(check (my-if #t then 1 else 2) => 1)
(check (my-if #t 1 2) => 'bad)
(check (let ((else #f)) (my-if #t then 1 else 2)) => 'bad)
(check (let ((else #f)) (cond (#f 1) (else 2) (#t 3))) => 3)
(check (let ((=> #f)) (cond (#t => 'ok))) => 'ok)

; nested ellipsis
(define-syntax flat
  (syntax-rules () ((_ (a b ...) ...) '(a ... (b ... ) ... b ... ...))))
(check (flat (1 2 3) (4) (5 6)) => '(1 4 5 (2 3) () (6) 2 3 6))
(define-syntax my-cond
  (syntax-rules (else)
    ((_ (else e ...)) (begin e ...))
    ((_ (c e ...) clause ...) (if c (begin e ...) (my-cond clause ...)))))
(check (my-cond (#f 1) ((= 1 1) 2 3) (else 4)) => 3)
(define-syntax my-let*
  (syntax-rules () ((_ () . body) (let () . body)) ((_ ((x v) . more) . body) (let ((x v)) (my-let* more . body)))))
(check (my-let* ((a 1) (b (+ a 1)) (c (* b 3))) (list a b c)) => '(1 2 6))

; patterns: tail after ellipsis, improper, vectors, constants, underscore
(define-syntax last-of (syntax-rules () ((_ a ... z) 'z)))
(check (last-of 1 2 3) => 3)
(define-syntax middle (syntax-rules () ((_ a b ... c d) '(a (b ...) c d))))
(check (middle 1 2 3 4 5) => '(1 (2 3) 4 5))
(check (middle 1 2 3) => '(1 () 2 3))
(define-syntax tail-of (syntax-rules () ((_ a . b) '(a b))))
(check (tail-of 1 2 . 3) => '(1 (2 . 3)))
(define-syntax dotted (syntax-rules () ((_ a ... . r) '((a ...) r))))
(check (dotted 1 2 . 3) => '((1 2) 3))
(check (dotted 1 2) => '((1 2) ()))
(define-syntax vec (syntax-rules () ((_ #(a (b c) ...)) '(a #(b ...) #(c ...)))))
(check (vec #(1 (2 3) (4 5))) => '(1 #(2 4) #(3 5)))
(define-syntax const (syntax-rules () ((_ 1 "s" #\c x) 'x) ((_ . other) 'no)))
(check (const 1 "s" #\c yes) => 'yes)
(check (const 2 "s" #\c yes) => 'no)
(define-syntax under (syntax-rules () ((_ _ x _) 'x)))
(check (under 1 2 3) => 2)

; escapes and other ellipses
(define-syntax be-like-begin
  (syntax-rules ()
    ((_ name) (define-syntax name (syntax-rules () ((_ expr (... ...)) (begin expr (... ...))))))))
(be-like-begin sequence)
(check (sequence 1 2 3 4) => 4)
(check (let ((x 1)) (be-like-begin seq2) (seq2 x (+ x 1))) => 2)
(define-syntax quote-dots (syntax-rules () ((_ a) '(a (... ...)))))
(check (quote-dots 1) => '(1 ...))
(define-syntax other-dots (syntax-rules ::: () ((_ (a b :::) :::) '((a :::) (b ::: :::) ...))))
(check (other-dots (1 2 3) (4 5)) => '((1 4) (2 3 5) ...))

; macros that define
(define-syntax define-getter (syntax-rules () ((_ name value) (define (name) value))))
(define-getter get-seven 7)
(check (get-seven) => 7)
(check (let () (define-getter g 8) (g)) => 8)
(define-syntax define-two (syntax-rules () ((_ a b v) (begin (define a v) (define b (list a a))))))
(define-two dt1 dt2 'x)
(check (list dt1 dt2) => '(x (x x)))
(check (let () (define-two p q 3) (list p q)) => '(3 (3 3)))
; an inserted internal name is not visible outside
(define-syntax hidden (syntax-rules () ((_ e) (let () (define secret 1) (+ secret e)))))
(check (let ((secret 100)) (hidden secret)) => 101)
; a counter kept by a macro-defined procedure
(define-syntax define-counter
  (syntax-rules () ((_ name) (define name (let ((n 0)) (lambda () (set! n (+ n 1)) n))))))
(define-counter tick)
(check (begin (tick) (tick) (tick)) => 3)

; local macros
(check (let-syntax ((foo (syntax-rules () ((_ x) (* x 2))))) (foo 21)) => 42)
(check (let ((x 'outer))
         (let-syntax ((m (syntax-rules () ((m) x))))
           (let ((x 'inner)) (m))))
       => 'outer)
(check (letrec-syntax ((ev? (syntax-rules () ((_) #t) ((_ a . r) (od? . r))))
                       (od? (syntax-rules () ((_) #f) ((_ a . r) (ev? . r)))))
         (list (ev? 1 2) (ev? 1 2 3)))
       => '(#t #f))
(check (let-syntax ((m (syntax-rules () ((_ e) (cond (e => list) (else 0)))))) (let ((=> #f)) (m 5))) => '(5))
(check (eq? list (let ((=> #f)) (let-syntax ((m (syntax-rules () ((_ e) (cond (e => list)))))) (m 5)))) => #t)
(check (let () (define-syntax loc (syntax-rules () ((_) y))) (define y 9) (loc)) => 9)
(define (uses-local n)
  (define-syntax double (syntax-rules () ((_ e) (+ e e))))
  (define m (double n))
  (double m))
(check (uses-local 3) => 12)

; a macro expanding to a macro use with a user's binding form
(define-syntax for
  (syntax-rules (in) ((_ x in l body ...) (map (lambda (x) body ...) l))))
(check (for y in '(1 2 3) (* y y)) => '(1 4 9))
(define-syntax my-do-times
  (syntax-rules () ((_ (v n) body ...) (do ((v 0 (+ v 1))) ((= v n)) body ...))))
(check (let ((s 0)) (my-do-times (i 5) (set! s (+ s i))) s) => 10)
(define-syntax kw-case (syntax-rules () ((_ k) (case k ((a) 1) ((b c) 2) (else 3)))))
(check (list (kw-case 'a) (kw-case 'c) (kw-case 'z)) => '(1 2 3))
(define-syntax qq (syntax-rules () ((_ a b) `(a ,b (c ,@(list b b)) #(d ,b)))))
(check (qq x 5) => '(x 5 (c 5 5) #(d 5)))
(define-syntax my-record
  (syntax-rules () ((_ name make pred (field get) ...) (define-record-type name (make field ...) pred (field get) ...))))
(my-record point make-point point? (x point-x) (y point-y))
(check (let ((p (make-point 1 2))) (list (point? p) (point-x p) (point-y p))) => '(#t 1 2))
; aliases of keywords
(define-syntax my-define define)
(my-define aliased 3)
(check aliased => 3)
; shadowing a macro by a variable
(check (let ((swap! (lambda (a b) (list b a)))) (swap! 1 2)) => '(2 1))
(define (shadow when) (when 5))
(check (shadow (lambda (x) (+ x 1))) => 6)
; a library macro is not disturbed by the program's definitions
(define (reverse-args . l) l)
(check (let ((dynamic-wind #f) (vector #f)) (guard (e (#t e)) (raise 'ok))) => 'ok)
(check-error (eval '(swap! 1) (interaction-environment)))
(check-error (eval '(let-syntax ((m 5)) 1) (interaction-environment)))
(check (guard (e (#t (error-object-message e))) (eval '(syntax-error "bad thing:" 1 2) (interaction-environment))) => "bad thing:")

; long uses
(define-syntax my-list (syntax-rules () ((_ x ...) (list x ...))))
(check (length (eval (cons 'my-list (iota 3000)) (interaction-environment))) => 3000)


; ---- variables with fewer ellipses in the pattern than in the template ----
(define-syntax each-with-all (syntax-rules () ((_ (x ...) (y ...)) '((x y ...) ...))))
(check (each-with-all (1 2) (a b c)) => '((1 a b c) (2 a b c)))
(check (each-with-all (1 2) ()) => '((1) (2)))
(check (each-with-all () (a b)) => '())
(define-syntax vector-of-all (syntax-rules () ((_ (x ...) (y ...)) '#(#(x (y) ...) ...))))
(check (vector-of-all (1 2) (a b)) => '#(#(1 (a) (b)) #(2 (a) (b))))
(define-syntax product (syntax-rules () ((_ (x ...) (y ...) (z ...)) '((x (y z ...) ...) ...))))
(check (product (1 2) (a b) (p q)) => '((1 (a p q) (b p q)) (2 (a p q) (b p q))))
; Something else drives the inner ellipsis: the outer one iterates.
(define-syntax pairs (syntax-rules () ((_ (a b ...) ...) '(((a b) ...) ...))))
(check (pairs (1 2 3) (4) (5 6)) => '(((1 2) (1 3)) () ((5 6))))
(define-syntax flat-pairs (syntax-rules () ((_ (a b ...) ...) '((a b) ... ...))))
(check (flat-pairs (1 2 3) (4) (5 6)) => '((1 2) (1 3) (5 6)))
; Nothing at all matched the inner pattern.
(define-syntax heads (syntax-rules () ((_ (a b ...) ...) '((a ...) (b ... ...)))))
(check (heads) => '(() ()))
(check (heads (1) (2)) => '((1 2) ()))
(define-syntax dots (syntax-rules () ((_ x ...) '((x (... ...)) ...))))
(check (dots 1 2) => '((1 ...) (2 ...)))
(check-error (eval '(let-syntax ((m (syntax-rules () ((_ x ...) '((x y ...) ...))))) (m 1))
                   (interaction-environment)))
(check-error (eval '(let-syntax ((m (syntax-rules () ((_ x ...) '(((x ...) ...) ...))))) (m 1))
                   (interaction-environment)))
(check-error (eval '(let-syntax ((m (syntax-rules () ((_ x ...) '(x))))) (m 1))
                   (interaction-environment)))
(finish)
