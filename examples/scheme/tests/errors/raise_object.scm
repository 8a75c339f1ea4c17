; expect: raise_object.scm:3: error: uncaught exception: \(oops 42\)
; exit: 1
(raise (list 'oops 42))
