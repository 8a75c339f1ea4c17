; expect: parts/circular.scm:2: error: include: too many files: \(include "circular.scm"\)
; exit: 1
(include "parts/circular.scm")
