; Macro expansion under a collection at every slow path of the allocator (GODEBUG=gcstress=1).
(import (scheme base) (scheme write) (scheme process-context))
(include "check.scm")

(define-syntax my-let*
  (syntax-rules () ((_ () . body) (let () . body)) ((_ ((x v) . more) . body) (let ((x v)) (my-let* more . body)))))
(check (my-let* ((a 1) (b (+ a 1)) (c (* b 3)) (d (list a b c))) d) => '(1 2 6))
(define-syntax flat (syntax-rules () ((_ (a b ...) ...) '(a ... (b ...) ... b ... ...))))
(check (flat (1 2 3) (4) (5 6)) => '(1 4 5 (2 3) () (6) 2 3 6))
(define-syntax my-or (syntax-rules () ((_) #f) ((_ e) e) ((_ e r ...) (let ((t e)) (if t t (my-or r ...))))))
(check (let ((t 5)) (my-or #f #f t)) => 5)
(define-syntax define-maker
  (syntax-rules () ((_ name (field ...)) (define-syntax name (syntax-rules () ((_ field ...) (list (cons 'field field) ...)))))))
(define-maker pair-up (x y))
(check (pair-up 1 2) => '((1 . 1) (2 . 2)))
(finish)
