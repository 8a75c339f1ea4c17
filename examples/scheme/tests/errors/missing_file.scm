; expect: missing_file.scm:3: error: load: cannot open file \(No such file or directory\): "no-such-file.scm"
; exit: 1
(load "no-such-file.scm")
