; A term rewriter and tautology checker of the kind of R. Boyer's benchmark: rewrites a term with a
; list of lemmas, innermost first, until none applies, then decides whether the resulting
; if-expression is a tautology by case analysis.
; usage: boyer.scm [n]     default 0; each step wraps the theorem once more, for several times the work
; Prints the verdict and the number of rewrites. The theorem (a chain of implications, instantiated
; with large terms) must be proved, and a weakened one must not.

(import (scheme base) (scheme cxr) (scheme write) (scheme process-context))

; ---- lemmas: (equal left right), indexed by the operator of the left side ----

(define lemmas
  '((equal (and p q) (if p (if q (t) (f)) (f)))
    (equal (or p q) (if p (t) (if q (t) (f))))
    (equal (not p) (if p (f) (t)))
    (equal (implies p q) (if p (if q (t) (f)) (t)))
    (equal (iff x y) (and (implies x y) (implies y x)))
    (equal (if (if a b c) d e) (if a (if b d e) (if c d e)))
    (equal (even1 x) (if (zerop x) (t) (odd (sub1 x))))
    (equal (lessp (remainder x y) y) (not (zerop y)))
    (equal (remainder x x) (zero))
    (equal (remainder (times x z) z) (zero))
    (equal (remainder y 1) (zero))
    (equal (plus (plus x y) z) (plus x (plus y z)))
    (equal (equal (plus a b) (zero)) (and (zerop a) (zerop b)))
    (equal (equal (plus a b) (plus a c)) (equal b c))
    (equal (difference x x) (zero))
    (equal (difference (plus x y) x) y)
    (equal (difference (plus y x) x) y)
    (equal (difference (plus b (plus a c)) a) (plus b c))
    (equal (difference (times c x) (times w x)) (times x (difference c w)))
    (equal (zerop (zero)) (t))
    (equal (zerop (add1 x)) (f))
    (equal (times x (plus y z)) (plus (times x y) (times x z)))
    (equal (times (times x y) z) (times x (times y z)))
    (equal (times x (add1 y)) (plus x (times x y)))
    (equal (times x (zero)) (zero))
    (equal (equal (times x y) (zero)) (or (zerop x) (zerop y)))
    (equal (append (append x y) z) (append x (append y z)))
    (equal (reverse (append a b)) (append (reverse b) (reverse a)))
    (equal (reverse (reverse x)) x)
    (equal (length (append x y)) (plus (length x) (length y)))
    (equal (length (reverse x)) (length x))
    (equal (length (cons x y)) (add1 (length y)))
    (equal (member a (append b c)) (or (member a b) (member a c)))
    (equal (member a (reverse b)) (member a b))
    (equal (exp i (plus j k)) (times (exp i j) (exp i k)))
    (equal (exp i (times j k)) (exp (exp i j) k))
    (equal (exp i (zero)) (add1 (zero)))
    (equal (flatten (cons x y)) (append (flatten x) (flatten y)))
    (equal (equal (flatten x) (cons y (nil))) (and (nlistp x) (equal x y)))
    (equal (nlistp (cons x y)) (f))
    (equal (lessp (plus x y) (plus x z)) (lessp y z))
    (equal (lessp (times x z) (times y z)) (and (not (zerop z)) (lessp x y)))
    (equal (lessp y (plus x y)) (not (zerop x)))
    (equal (gcd x y) (gcd y (remainder x y)) never)
    (equal (gcd (times x z) (times y z)) (times z (gcd x y)))
    (equal (nth (zero) i) (zero))
    (equal (nth x (add1 i)) (nth (cdr x) i))
    (equal (car (cons x y)) x)
    (equal (cdr (cons x y)) y)
    (equal (listp (cons x y)) (t))
    (equal (value (normalize x) a) (value x a))
    (equal (eqp x y) (equal (fix x) (fix y)))
    (equal (greatereqp x y) (not (lessp x y)))
    (equal (lesseqp x y) (not (lessp y x)))
    (equal (greaterp x y) (lessp y x))
    (equal (boolean x) (or (equal x (t)) (equal x (f))))
    (equal (delete x (cons x y)) y)
    (equal (sort2 (delete x l)) (delete x (sort2 l)))
    (equal (dsort x) (sort2 x))
    (equal (assignment x (append a b))
           (if (assignedp x a) (assignment x a) (assignment x b)))
    (equal (meaning (plus-tree (append x y)) a)
           (plus (meaning (plus-tree x) a) (meaning (plus-tree y) a)))))

; operator -> lemmas for it, in order; a lemma with a fifth element would loop and is left out.
(define lemma-index '())

(define (index-lemma! lemma)
  (let* ((operator (car (cadr lemma)))
         (entry (assq operator lemma-index)))
    (if entry
        (set-cdr! entry (append (cdr entry) (list lemma)))
        (set! lemma-index (cons (list operator lemma) lemma-index)))))

(for-each (lambda (lemma) (if (null? (cdddr lemma)) (index-lemma! lemma))) lemmas)

(define (lemmas-of operator)
  (let ((entry (assq operator lemma-index)))
    (if entry (cdr entry) '())))

; ---- one-way unification: bindings is an association list, or #f for no match ----

(define (match pattern term bindings)
  (cond ((not bindings) #f)
        ((symbol? pattern)
         (let ((bound (assq pattern bindings)))
           (cond ((not bound) (cons (cons pattern term) bindings))
                 ((equal? (cdr bound) term) bindings)
                 (else #f))))
        ((not (pair? pattern)) (and (equal? pattern term) bindings))
        ((and (pair? term) (eq? (car pattern) (car term)))
         (match-arguments (cdr pattern) (cdr term) bindings))
        (else #f)))

(define (match-arguments patterns terms bindings)
  (cond ((null? patterns) (and (null? terms) bindings))
        ((null? terms) #f)
        (else (match-arguments (cdr patterns)
                               (cdr terms)
                               (match (car patterns) (car terms) bindings)))))

(define (substitute bindings term)
  (cond ((symbol? term)
         (let ((bound (assq term bindings)))
           (if bound (cdr bound) term)))
        ((pair? term)
         (cons (car term) (map (lambda (argument) (substitute bindings argument)) (cdr term))))
        (else term)))

; ---- rewriting ----

(define rewrites 0)

(define (rewrite term)
  (if (pair? term)
      (rewrite-with (lemmas-of (car term)) (cons (car term) (map rewrite (cdr term))))
      term))

(define (rewrite-with candidates term)
  (if (null? candidates)
      term
      (let* ((lemma (car candidates))
             (bindings (match (cadr lemma) term '())))
        (if bindings
            (begin
              (set! rewrites (+ rewrites 1))
              (rewrite (substitute bindings (caddr lemma))))
            (rewrite-with (cdr candidates) term)))))

; ---- tautologies ----

(define (true? term assumed) (or (equal? term '(t)) (member term assumed)))
(define (false? term assumed) (or (equal? term '(f)) (member term assumed)))

(define (tautology? term true false)
  (cond ((true? term true) #t)
        ((false? term false) #f)
        ((not (and (pair? term) (eq? (car term) 'if))) #f)
        (else
         (let ((test (cadr term)) (then (caddr term)) (otherwise (cadddr term)))
           (cond ((true? test true) (tautology? then true false))
                 ((false? test false) (tautology? otherwise true false))
                 (else (and (tautology? then (cons test true) false)
                            (tautology? otherwise true (cons test false)))))))))

(define (prove theorem) (if (tautology? (rewrite theorem) '() '()) #t #f))

; ---- the theorems ----

; The if-expressions inside `fn` stay there: as tests of an outer `if` they would multiply the cases.
(define instance
  '((x . (fn (member (fn a) (append (reverse (append u v)) (reverse (append v w))))))
    (y . (fn (lessp (times (plus a b) (plus c d)) (times (plus b a) (plus c d)))))
    (z . (fn (equal (plus (times a (plus b c)) (exp i (plus j (times k l)))) (zero))))
    (u . (equal (plus a b) (difference (plus a (plus b c)) (plus a b))))
    (w . (lessp (remainder a b) (member a (length (append b (reverse c))))))))

(define chain
  '(implies (and (implies x y) (and (implies y z) (and (implies z u) (implies u w))))
            (implies x w)))

(define broken-chain
  '(implies (and (implies x y) (and (implies y z) (implies u w))) (implies x w)))

; (or term (f)) is true exactly when term is, and multiplies the work.
(define (enlarge term n)
  (if (= n 0) term (enlarge (list 'or term '(f)) (- n 1))))

(define (run name theorem expected n)
  (set! rewrites 0)
  (let ((proved (prove (enlarge (substitute instance theorem) n))))
    (display name)
    (display (if proved ": proved, " ": not proved, "))
    (display rewrites)
    (display " rewrites")
    (newline)
    (if (not (eq? proved expected))
        (begin (display "FAIL") (newline) (exit 1)))))

(define (main n)
  (run "chain of implications" chain #t n)
  (run "broken chain" broken-chain #f n))

(let ((args (cdr (command-line))))
  (main (if (pair? args) (string->number (car args)) 0)))
