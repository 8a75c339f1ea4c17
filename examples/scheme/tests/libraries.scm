; define-library, include, cond-expand and import: what a program's own definitions of library names
; mean, and what the standard libraries offer.
(define-library (test uses-own-filter)
  (export keep own-fold own-sort (rename own-delete erase))
  (import (scheme base))
  (begin
    ; These come before the definitions of the names that they call.
    (define (keep l) (filter 'own l))
    (define (own-fold) (fold 1 2 3))
    (define (own-sort) (sort '(3 1 2)))
    (define (own-delete) (delete 7))
    (define (filter how l) (list how l)))
  (include "parts/own_fold.scm")
  (cond-expand
    (no-such-feature (begin (define (sort l) 'wrong)))
    (else (begin (cond-expand (tarn (define (sort l) (list 'own-sort l)))))))
  (begin (define-values (delete other) (values (lambda (x) (list 'own-delete x)) 1))))
(include "check.scm")
(import (prefix (test uses-own-filter) own:))

(check (own:keep '(1 2)) => '(own (1 2)))
(check (own:own-fold) => '(own-fold 1 2 3))
(check (own:own-sort) => '(own-sort (3 1 2)))
(check (own:erase) => '(own-delete 7))
(check (filter odd? '(1 2 3)) => '(1 3))

; A library that defines a name before it imports another one under that name's other meaning.
(define-library (test late-import)
  (export both)
  (begin
    (define (both) (list (first-one '(1 2)) (last '(1 2))))
    (define (last l) 'own-last))
  (import (rename (scheme base) (car first-one))))
(import (test late-import))
(check (both) => '(1 own-last))

; ---- include at top level ----
(define (before-include l) (reduce l))
(define (before-cond-expand l) (partition l))
(include "parts/own_reduce.scm")
(cond-expand
  ((and tarn (not no-such-feature))
   (define (inside l) (partition (count l)))
   (define (partition l) (list 'own-partition l)))
  (else (define (partition l) 'wrong)))
(define (count l) (list 'own-count l))
(check (before-include '(1)) => '(own-reduce (1) (own-remove 1)))
(check (before-cond-expand '(1)) => '(own-partition (1)))
(check (inside '(1)) => '(own-partition (own-count (1))))
(begin
  (define (in-begin l) (last-pair l))
  (define (last-pair l) (list 'own-last-pair l)))
(check (in-begin '(1)) => '(own-last-pair (1)))

; A form on its own, as a read-eval-print loop meets it.
(define (evaluated form)
  (let ((env (environment '(scheme base))))
    (eval form env)
    (eval '(uses '(1)) env)))
(check (evaluated '(begin (define (uses l) (filter l)) (define (filter l) (list 'own-filter l))))
       => '(own-filter (1)))
(check (evaluated '(cond-expand (else (define (uses l) (fold l)) (define (fold l) (list 'own-fold l)))))
       => '(own-fold (1)))
; The clause that is chosen was not known when the file was read.
(define-library (test now-known) (export) (import (scheme base)))
(cond-expand
  ((library (test now-known))
   (define (known l) (list-index l))
   (define (list-index l) (list 'own-list-index l)))
  (else (define (list-copy l) 'wrong)))
(check (known '(1)) => '(own-list-index (1)))
(check (list-copy '(1)) => '(1))

; What a body defines is its own.
(define (uses-find) (find odd? '(1)))
(let () (define (find . args) 'inner) #f)
(check (uses-find) => 1)

; A file that is missing is an error when the form is reached, not before.
(define reached '())
(define missing
  (guard (e ((file-error? e) 'missing))
    (load "no-such-file.scm")))
(check missing => 'missing)
(cond-expand (no-such-feature (include "no-such-file.scm")) (else (set! reached '(yes))))
(check reached => '(yes))

; ---- include-ci ----
(include-ci "parts/folded.scm")
(check folded-name => '(mixed "Case"))
(check (let () (include-ci "parts/folded.scm") (car folded-name)) => 'mixed)

; ---- what (scheme base) and others export ----
(import (only (scheme base) else => _ ... unquote unquote-splicing quasiquote cond case car))
(import (only (scheme cxr) caaaar caaadr caadar caaddr cadaar cadadr caddar cadddr cdaaar cdaadr cdadar
              cdaddr cddaar cddadr cdddar cddddr caaar caadr cadar caddr cdaar cdadr cddar cdddr))
(import (rename (scheme base) (else otherwise)) (except (scheme base) =>))
(check (cond (#f 1) (else 2)) => 2)
(check `(1 ,(+ 1 1) ,@(list 3)) => '(1 2 3))
(check-error (eval '(else 1) (interaction-environment)))
(check-error (eval '(list _) (interaction-environment)))
(check-error (eval '(unquote 1) (interaction-environment)))
(check-error (eval '(import (only (scheme base) no-such-name)) (interaction-environment)))
(define-syntax keyword (syntax-rules (else =>) ((_ else) 'else) ((_ =>) 'arrow) ((_ x) 'other)))
(check (list (keyword else) (keyword =>) (keyword 1)) => '(else arrow other))
(check (let ((else 1)) (keyword else)) => 'other)
(check (let ((_ 5)) _) => 5)

(define tree '((((1 . 2) 3 . 4) (5 . 6) 7 . 8) ((9 . 10) 11 . 12) (13 . 14) 15 . 16))
(check (list (caaaar tree) (caaadr tree) (caadar tree) (caaddr tree)
             (cadaar tree) (cadadr tree) (caddar tree) (cadddr tree))
       => '(1 9 5 13 3 11 7 15))
(check (list (cdaaar tree) (cdaadr tree) (cdadar tree) (cdaddr tree)
             (cddaar tree) (cddadr tree) (cdddar tree) (cddddr tree))
       => '(2 10 6 14 4 12 8 16))
(finish)
