; Procedures on ports that take procedures.
; A port is closed when its procedure returns, not when it is left by a jump: the jump may come back.

(define (call-with-port port procedure)
  (call-with-values (lambda () (procedure port))
                    (lambda results
                      (close-port port)
                      (apply values results))))

(define (call-with-input-file name procedure)
  (call-with-port (open-input-file name) procedure))

(define (call-with-output-file name procedure)
  (call-with-port (open-output-file name) procedure))

(define (with-input-from-file name thunk)
  (call-with-port (open-input-file name)
                  (lambda (port) (parameterize ((current-input-port port)) (thunk)))))

(define (with-output-to-file name thunk)
  (call-with-port (open-output-file name)
                  (lambda (port) (parameterize ((current-output-port port)) (thunk)))))

(define (call-with-output-string procedure)
  (let ((port (open-output-string)))
    (procedure port)
    (get-output-string port)))

(define (with-output-to-string thunk)
  (call-with-output-string
   (lambda (port) (parameterize ((current-output-port port)) (thunk)))))

(define (with-input-from-string text thunk)
  (parameterize ((current-input-port (open-input-string text))) (thunk)))

(define (call-with-input-string text procedure) (procedure (open-input-string text)))
