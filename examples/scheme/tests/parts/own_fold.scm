; Part of the library (test uses-own-filter).
(define (fold . args) (cons 'own-fold args))
