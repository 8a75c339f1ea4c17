; Included by own_reduce.scm.
(define (remove x) (list 'own-remove x))
