; Control: winding, continuations, conditions, promises, parameters, evaluation.
; The dynamic state of the VM is three lists: winders (vectors: before, after, handlers, params),
; handlers (procedures) and params (parameter . value). A continuation carries all three.

(define (call-with-values producer consumer) (%apply-values consumer (producer)))

; ---- winding ----

(define (dynamic-wind before thunk after)
  (before)
  (%set-winders! (cons (vector before after (%handlers) (%params)) (%winders)))
  (let ((result (thunk)))
    (%set-winders! (cdr (%winders)))
    (after)
    result))

(define (%leave-to common)
  (let ((here (%winders)))
    (if (not (eq? here common))
        (let ((winder (car here)))
          (%set-winders! (cdr here))
          (%set-handlers! (vector-ref winder 2))
          (%set-params! (vector-ref winder 3))
          ((vector-ref winder 1))
          (%leave-to common)))))

(define (%enter-from common target)
  (if (not (eq? target common))
      (let ((winder (car target)))
        (%enter-from common (cdr target))
        (%set-handlers! (vector-ref winder 2))
        (%set-params! (vector-ref winder 3))
        ((vector-ref winder 0))
        (%set-winders! target))))

(define (%common-tail a b)
  (let ((na (length a)) (nb (length b)))
    (let loop ((a (if (> na nb) (list-tail a (- na nb)) a))
               (b (if (> nb na) (list-tail b (- nb na)) b)))
      (if (eq? a b) a (loop (cdr a) (cdr b))))))

; The VM calls this when a continuation with other winders is entered.
(define (%rewind k vals)
  (let* ((target (%continuation-winders k))
         (common (%common-tail (%winders) target)))
    (%leave-to common)
    (%enter-from common target)
    (%throw k vals)))

(define (call-with-escape-continuation f) (call-with-current-continuation f))

; ---- conditions ----

(define (with-exception-handler handler thunk)
  (let ((old (%handlers)))
    (%set-handlers! (cons handler old))
    (let ((result (thunk)))
      (%set-handlers! old)
      result)))

(define (raise obj)
  (let ((handlers (%handlers)))
    (if (null? handlers)
        (%uncaught obj)
        (begin
          (%set-handlers! (cdr handlers))
          ((car handlers) obj)
          (%set-handlers! (cdr handlers))
          (raise (%condition "handler returned from non-continuable exception:" (list obj)))))))

(define (raise-continuable obj)
  (let ((handlers (%handlers)))
    (if (null? handlers)
        (%uncaught obj)
        (begin
          (%set-handlers! (cdr handlers))
          (let ((result ((car handlers) obj)))
            (%set-handlers! handlers)
            result)))))

(define (error message . irritants) (raise (%condition message irritants)))

(define (warn message . irritants)
  (let ((port (current-error-port)))
    (display "warning: " port)
    (display message port)
    (for-each (lambda (x) (display " " port) (write x port)) irritants)
    (newline port)))

(define (error-message c) (error-object-message c))
(define (error-irritants c) (error-object-irritants c))
(define (condition-message c) (error-object-message c))

; Without an else clause an unmatched condition goes on to the outer handlers, from where it was raised;
; with one that place need not be kept.
(define-syntax guard
  (syntax-rules (else)
    ((_ (var clause ... (else . rest)) . body)
     ((call-with-current-continuation
       (lambda (leave)
         (with-exception-handler
          (lambda (condition)
            (leave (lambda () (let ((var condition)) (cond clause ... (else . rest))))))
          (lambda () (let ((result (let () . body))) (lambda () result))))))))
    ((_ (var clause ...) . body)
     ((call-with-current-continuation
       (lambda (leave)
         (with-exception-handler
          (lambda (condition)
            ((call-with-current-continuation
              (lambda (raised)
                (leave
                 (lambda ()
                   (let ((var condition))
                     (cond clause ...
                           (else (raised (lambda () (raise-continuable condition)))))))))))) 
          (lambda () (let ((result (let () . body))) (lambda () result))))))))))

(define-syntax assert
  (syntax-rules ()
    ((_ test . rest) (if (not test) (error "assertion failed:" 'test)))))

(define (exit . code)
  (%leave-to '())
  (%exit (if (pair? code) (car code) #t)))

; ---- promises ----

(define-syntax delay-force
  (syntax-rules () ((_ expression) (%lazy-promise (lambda () expression)))))
(define-syntax make-lazy
  (syntax-rules () ((_ expression) (delay-force expression))))
(define-syntax delay
  (syntax-rules () ((_ expression) (delay-force (%make-done-promise expression)))))
(define-syntax cons-stream
  (syntax-rules () ((_ a b) (cons a (delay b)))))

(define (force p)
  (if (promise? p)
      (let loop ()
        (if (%promise-done? p)
            (%promise-value p)
            (let ((next ((%promise-value p))))
              (if (not (%promise-done? p)) (%promise-adopt! p next))
              (loop))))
      p))

(define (stream-pair? s) (and (pair? s) (promise? (cdr s))))
(define (stream-car s) (car s))
(define (stream-cdr s) (force (cdr s)))
(define stream-rest stream-cdr)
(define stream-first stream-car)
(define the-empty-stream '())
(define stream-nil '())
(define (stream-null? s) (null? s))
(define empty-stream? stream-null?)
(define (stream-head s n) (if (= n 0) '() (cons (stream-car s) (stream-head (stream-cdr s) (- n 1)))))
(define (stream-tail s n) (if (= n 0) s (stream-tail (stream-cdr s) (- n 1))))

; ---- parameters ----

(define (make-parameter value . converter)
  (if (pair? converter)
      (%make-parameter ((car converter) value) (car converter))
      (%make-parameter value #f)))
(define make-settable-parameter make-parameter)
(define make-unsettable-parameter make-parameter)

(define (%with-parameters bindings thunk)
  (let ((old (%params)))
    (%set-params! (append bindings old))
    (let ((result (thunk)))
      (%set-params! old)
      result)))

(define (%parameter-binding p value)
  (let ((converter (%parameter-converter p)))
    (cons p (if converter (converter value) value))))

(define-syntax parameterize
  (syntax-rules ()
    ((_ ((p v) ...) . body)
     (%with-parameters (list (%parameter-binding p v) ...) (lambda () . body)))))

(define-syntax fluid-let
  (syntax-rules ()
    ((_ ((v e) ...) . body) (%fluid-let () ((v e) ...) . body))))
(define-syntax %fluid-let
  (syntax-rules ()
    ((_ ((t v e) ...) () . body)
     (let ((t e) ...)
       (let ((swap! (lambda () (let ((x v)) (set! v t) (set! t x)) ...)))
         (dynamic-wind swap! (lambda () . body) swap!))))
    ((_ (done ...) ((v e) rest ...) . body)
     (%fluid-let (done ... (t v e)) (rest ...) . body))))

; ---- several values ----

(define-syntax receive
  (syntax-rules ()
    ((_ formals expression . body)
     (%apply-values (lambda formals . body) expression))))

(define-syntax let*-values
  (syntax-rules ()
    ((_ () . body) (let () . body))
    ((_ ((formals expression) . rest) . body)
     (%apply-values (lambda formals (let*-values rest . body)) expression))))

; Temporaries for all names first, so that no expression sees the new bindings.
(define-syntax let-values
  (syntax-rules ()
    ((_ (binding ...) . body) (%let-values (binding ...) () (let () . body)))))
(define-syntax %let-values
  (syntax-rules ()
    ((_ () bindings body) (let bindings body))
    ((_ ((formals expression) . rest) bindings body)
     (%let-formals formals () expression rest bindings body))))
(define-syntax %let-formals
  (syntax-rules ()
    ((_ () temps expression rest bindings body)
     (%apply-values (lambda temps (%let-values rest bindings body)) expression))
    ((_ (a . more) (temp ...) expression rest (binding ...) body)
     (%let-formals more (temp ... t) expression rest (binding ... (a t)) body))
    ((_ a (temp ...) expression rest (binding ...) body)
     (%apply-values (lambda (temp ... . t) (%let-values rest (binding ... (a t)) body))
                    expression))))

(define-syntax case-values
  (syntax-rules () ((_ expression clause ...) (%apply-values (case-lambda clause ...) expression))))

(define-syntax and-let*
  (syntax-rules ()
    ((_ ()) #t)
    ((_ () . body) (let () . body))
    ((_ ((v e))) e)
    ((_ ((v e) . rest) . body) (let ((v e)) (if v (and-let* rest . body) #f)))
    ((_ ((e) . rest) . body) (if e (and-let* rest . body) #f))
    ((_ (v . rest) . body) (if v (and-let* rest . body) #f))))

; ---- evaluation ----

(define (eval form . env) ((apply %compile form env)))

(define (load file . env)
  (let* ((env (if (pair? env) (car env) (interaction-environment)))
         (unit (%open-unit file env)))
    (let loop ()
      (let ((thunk (%next-thunk unit env)))
        (if thunk (begin (thunk) (loop)))))))

(define-syntax time
  (syntax-rules ()
    ((_ expression)
     (let ((start (current-jiffy)))
       (let ((result expression))
         (let ((port (current-error-port)))
           (display "time: " port)
           (display (exact->inexact (/ (- (current-jiffy) start) (jiffies-per-second))) port)
           (display " s" port)
           (newline port))
         result)))))

(define (identity x) x)
(define (constantly . vals) (lambda ignored (apply values vals)))
(define (compose . fs)
  (cond ((null? fs) identity)
        ((null? (cdr fs)) (car fs))
        (else (let ((f (car fs)) (g (apply compose (cdr fs))))
                (lambda args (%apply-values f (apply g args)))))))
(define (complement f) (lambda args (not (apply f args))))
